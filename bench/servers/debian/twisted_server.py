# Twisted: requests kept in a set a key, each with its time limit, and taken out when the client leaves.
import collections
import json
import sys

from twisted.internet import epollreactor

epollreactor.install()
from twisted.internet import reactor
from twisted.web import resource, server

port, timeout = int(sys.argv[1]), float(sys.argv[2]) / 1000
lines = collections.defaultdict(set)


class Hold(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        key = request.postpath[0]
        lines[key].add(request)
        late = reactor.callLater(timeout, self.expire, key, request)
        request.notifyFinish().addBoth(self.over, key, request, late)
        return server.NOT_DONE_YET

    def expire(self, key, request):
        request.setResponseCode(204)
        request.finish()

    def over(self, _, key, request, late):
        lines[key].discard(request)
        if late.active():
            late.cancel()


class Publish(resource.Resource):
    isLeaf = True

    def render_POST(self, request):
        message = json.loads(request.content.read())["data"].encode()
        waiting = lines.pop(request.postpath[0], set())
        for held in list(waiting):
            held.setHeader(b"content-length", str(len(message)).encode())
            held.write(message)
            held.finish()
        return str(len(waiting)).encode()


class Held(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        return str(sum(len(line) for line in lines.values())).encode()


class Probe(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        return b"here"


root = resource.Resource()
root.putChild(b"hold", Hold())
root.putChild(b"publish", Publish())
root.putChild(b"held", Held())
root.putChild(b"probe", Probe())
site = server.Site(root, timeout=None)
site.log = lambda request: None
reactor.listenTCP(port, site, interface="127.0.0.1", backlog=4096)
reactor.run()
