# Tornado with a Condition a key.
import collections
import json
import sys

from tornado import httpserver, ioloop, iostream, locks, netutil, web

port, timeout = int(sys.argv[1]), float(sys.argv[2]) / 1000


class Line:
    def __init__(self):
        self.condition = locks.Condition()
        self.message = None
        self.size = 0


lines = collections.defaultdict(Line)


class Hold(web.RequestHandler):
    async def get(self, key):
        line = lines[key]
        line.size += 1
        self.waiting = line.condition.wait(timeout=ioloop.IOLoop.current().time() + timeout)
        try:
            told = await self.waiting
        finally:
            line.size -= 1
        if self.request.connection.stream.closed():
            return
        if not told:
            self.set_status(204)
            return
        self.write(line.message)

    def on_connection_close(self):
        self.waiting.cancel()


class Publish(web.RequestHandler):
    def post(self, key):
        line = lines[key]
        line.message = json.loads(self.request.body)["data"]
        self.write(str(line.size))
        line.condition.notify_all()


class Held(web.RequestHandler):
    def get(self):
        self.write(str(sum(line.size for line in lines.values())))


class Probe(web.RequestHandler):
    def get(self):
        self.write("here")


app = web.Application(
    [(r"/hold/(\w+)", Hold), (r"/publish/(\w+)", Publish), (r"/held", Held), (r"/probe", Probe)],
    log_function=lambda handler: None,
)
server = httpserver.HTTPServer(app)
server.add_sockets(netutil.bind_sockets(port, "127.0.0.1", backlog=4096))
ioloop.IOLoop.current().start()
