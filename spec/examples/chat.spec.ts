import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { type Chat, createApp } from '../../examples/chat/app.js'
import { changed, type Event, empty, type Line, type Room, type State } from '../../examples/chat/room.js'
import { serve as serveRoom } from '../../examples/chat/serve.js'
import { runTerminal } from '../../examples/chat/terminal.js'
import { Visitor } from '../../examples/chat/visitor.js'
import { type Log, LogError, MemoryLog } from '../../src/index.js'
import { turn, until } from '../support/gate.js'
import { type Answer, type Served, serve } from '../support/serve.js'

const key = (name: string): Record<string, string> => ({ 'x-key': name.padEnd(16, '0') })

describe('the chat example', () => {
  let sites: { chat: Chat; served: Served }[]
  let log: Log

  /** Servers of one room. */
  async function open(count = 1, beat = 60_000, home: Log = new MemoryLog()): Promise<void> {
    log = home
    for (let n = 0; n < count; n++) {
      const chat = createApp({ log, beat })
      sites.push({ chat, served: await serve(chat.app) })
    }
  }
  const site = (n = 0): { chat: Chat; served: Served } => sites[n] as { chat: Chat; served: Served }

  beforeEach(() => {
    sites = []
  })
  afterEach(async () => {
    for (const { chat, served } of sites) {
      await served.close()
      await chat.close()
      assert.deepEqual(served.errors, [])
    }
  })

  const json = ({ body }: Answer): never => JSON.parse(body) as never
  const join = (name: string, n = 0, who = name): Promise<Answer> => site(n).served.post('/people', { name }, key(who))
  const say = (who: string, text: unknown, n = 0): Promise<Answer> =>
    site(n).served.post('/messages', { text }, key(who))
  const room = async (n = 0): Promise<State> => json(await site(n).served.get('/people'))
  const names = (state: Room): string[] => Object.values(state.people).sort()
  const told = (lines: readonly Line[]): string[] => lines.map(({ kind, name, text }) => `${name} ${text ?? kind}`)
  const refusal = (answer: Answer): [number, string] => [
    answer.status,
    (json(answer) as { error: { code: string } }).error.code,
  ]

  describe('the room', () => {
    const of = (...events: [Event['event'], object][]): Room =>
      events.reduce((room, [event, data]) => changed(room, { event, data: { at: 0, ...data } } as Event), empty)

    it('who is here already does not come, who is not here does not leave or speak', () => {
      const { people, lines } = of(
        ['leave', { id: 'a' }],
        ['say', { id: 'a', text: 'early' }],
        ['join', { id: 'a', name: 'Ann' }],
        ['join', { id: 'a', name: 'Anna' }],
        ['say', { id: 'a', text: 'hello' }],
        ['leave', { id: 'a' }],
        ['leave', { id: 'a' }],
        ['say', { id: 'a', text: 'late' }],
      )
      assert.deepEqual([people, told(lines)], [{}, ['Ann join', 'Ann hello', 'Ann leave']])
    })

    it('a name is one person', () => {
      const { people } = of(
        ['join', { id: 'a', name: 'Ann' }],
        ['join', { id: 'b', name: 'ANN' }],
        ['join', { id: 'c', name: 'Bob' }],
        ['leave', { id: 'a' }],
        ['join', { id: 'd', name: 'ann' }],
      )
      assert.deepEqual(people, { c: 'Bob', d: 'ann' })
    })

    it('keeps the last lines only', () => {
      const events = Array.from({ length: 300 }, (_, n): [Event['event'], object] => [
        'say',
        { id: 'a', text: String(n) },
      ])
      const { lines } = of(['join', { id: 'a', name: 'Ann' }], ...events)
      assert.deepEqual([lines.length, lines[0]?.text, lines.at(-1)?.text], [200, '100', '299'])
    })
  })

  describe('the app', () => {
    it('who comes in gets the room with its cursor, and from there all that happens', async () => {
      await open()
      await join('Ann')
      const { cursor, people, lines, id } = json(await join('Bob')) as State & { id: string }
      assert.deepEqual(Object.values(people), ['Ann', 'Bob'])
      assert.equal(people[id], 'Bob')
      assert.deepEqual(told(lines), ['Ann join', 'Bob join'])
      assert.equal((await say('Ann', ' hello ')).status, 201)
      await site().served.ask('DELETE', '/people', { headers: key('Ann') })
      const { messages } = json(await site().served.get(`/room?cursor=${cursor}`)) as { messages: Event[] }
      assert.deepEqual(
        messages.map(({ event, data }) => [event, 'text' in data ? data.text : undefined]),
        [
          ['say', 'hello'],
          ['leave', undefined],
        ],
      )
      assert.deepEqual(names(await room()), ['Bob'])
    })

    it('coming in twice is coming in once', async () => {
      await open()
      await join('Ann')
      assert.equal((await join('Ann')).status, 200)
      assert.deepEqual(told((await room()).lines), ['Ann join'])
    })

    it('two come with one name, at two servers, at the same time: one of them is refused', async () => {
      await open(2)
      const answers = await Promise.all([join('Ann', 0, 'one'), join('ann', 1, 'two')])
      const statuses = answers.map(({ status }) => status).sort()
      assert.deepEqual(statuses, [200, 409])
      const refused = answers.find(({ status }) => status === 409) as Answer
      assert.deepEqual(refusal(refused), [409, 'ERR_NAME_TAKEN'])
      for (const n of [0, 1]) assert.equal(names(await room(n)).length, 1)
    })

    it('all servers have one room', async () => {
      await open(3)
      for (const [n, name] of ['Ann', 'Bob', 'Cid'].entries()) await join(name, n)
      await say('Ann', 'one', 2)
      await say('Bob', 'two', 0)
      const history = ['Ann join', 'Bob join', 'Cid join', 'Ann one', 'Bob two']
      for (const n of [0, 1, 2]) {
        await until(() => site(n).chat.hall.state().lines.length === history.length)
        assert.deepEqual(told((await room(n)).lines), history)
      }
    })

    it('refuses whoever has no key, no name, nothing to say, or is not here', async () => {
      await open()
      const { served } = site()
      for (const headers of [{}, { 'x-key': 'short' }, { 'x-key': '!'.repeat(20) }]) {
        assert.deepEqual(refusal(await served.post('/people', { name: 'Ann' }, headers)), [401, 'ERR_NO_KEY'])
      }
      for (const name of ['', '  ', 'a'.repeat(31), 7, null, undefined]) {
        assert.deepEqual(refusal(await served.post('/people', { name }, key('Ann'))), [400, 'ERR_INVALID_NAME'])
      }
      assert.deepEqual(refusal(await say('Ann', 'hello')), [403, 'ERR_NOT_HERE'])
      await join('Ann')
      for (const text of ['', ' ', 'a'.repeat(2_001), {}]) {
        assert.deepEqual(refusal(await say('Ann', text)), [400, 'ERR_INVALID_TEXT'])
      }
      assert.deepEqual(refusal(await served.post('/messages', '{', key('Ann'))), [400, 'ERR_INVALID_BODY'])
      assert.deepEqual(refusal(await served.post('/messages', { text: 'a'.repeat(20_000) }, key('Ann'))), [
        413,
        'ERR_TOO_LARGE',
      ])
      assert.deepEqual(refusal(await served.get('/nowhere')), [404, 'ERR_NO_ROUTE'])
      assert.deepEqual(told((await room()).lines), ['Ann join'])
    })

    it('the log is away: 503 in the form of all refusals, with a time to come back', async () => {
      const home = new Flaky()
      await open(1, 60_000, home)
      await join('Ann')
      home.isAway = true
      const answer = await say('Ann', 'hello')
      assert.deepEqual(refusal(answer), [503, 'ERR_LOG_AWAY'])
      assert.match(String(answer.headers['retry-after']), /^\d$/)
      home.isAway = false
      assert.equal((await say('Ann', 'hello')).status, 201)
    })
  })

  describe('who is here', () => {
    const left = (n = 0): string[] =>
      site(n)
        .chat.hall.state()
        .lines.flatMap(({ kind, name }) => (kind === 'leave' ? [name] : []))

    /** Polls one after the other, each at the next server, with a rest between them. */
    async function polls(name: string, count: number): Promise<void> {
      for (let n = 0; n < count; n++) {
        await site(n % sites.length).served.get('/room?cursor=0&wait=0', key(name))
        for (let turns = 0; turns < 3; turns++) await turn()
      }
    }

    it('between polls that go to any server nobody leaves; who asks no more has left, and is told of once', async () => {
      await open(3, 100)
      await join('Ann')
      await join('Bob', 1)
      const signs = async (): Promise<number> => (await log.read('signs', 'now')).next.seq
      while (left().length === 0) await polls('Ann', 5)
      // of each server one a beat: in seven beats she would have left twice
      for (const before = await signs(); (await signs()) < before + 20; ) await polls('Ann', 5)
      assert.deepEqual(left(), ['Bob'])
      assert.deepEqual(names(await room()), ['Ann'])
    })

    it('a stream that is held is somebody who is here', async () => {
      await open(2, 10)
      await join('Ann')
      await join('Bob')
      const following = site(1).served.get('/room', { ...key('Ann'), accept: 'text/event-stream' })
      await until(() => left(1).length === 1)
      for (let count = 0; count < 200; count++) await turn()
      assert.deepEqual(left(1), ['Bob'])
      following.request.destroy()
      await until(() => left(1).length === 2)
    })

    it('the server that saw somebody last has ended: another one notices that nobody comes', async () => {
      await open(2, 20)
      await join('Ann')
      await polls('Ann', 1)
      const [first] = sites.splice(0, 1) as [{ chat: Chat; served: Served }]
      await first.served.close()
      await first.chat.close()
      await until(() => left().length === 1)
      assert.deepEqual(left(), ['Ann'])
    })

    it('who says that it goes has left sooner; who is back at once has not been away', async () => {
      await open(2, 50)
      await join('Ann')
      await join('Bob')
      const streams = ['Ann', 'Bob'].map((name) =>
        site(1).served.get('/room', { ...key(name), accept: 'text/event-stream' }),
      )
      await until(() => site(1).chat.hall.channel.size === 2)
      for (const [n, name] of ['Ann', 'Bob'].entries()) {
        assert.equal((await site().served.post('/people/going', { key: key(name)['x-key'] })).status, 204)
        streams[n]?.request.destroy()
      }
      const again = site(0).served.get('/room', { ...key('Bob'), accept: 'text/event-stream' })
      await until(() => left().length > 0)
      assert.deepEqual(left(), ['Ann'])
      again.request.destroy()
    })

    it('the log is away for longer than anybody may be silent: nobody has left', async () => {
      const home = new Flaky()
      await open(1, 10, home)
      await join('Ann')
      const following = site().served.get('/room', { ...key('Ann'), accept: 'text/event-stream' })
      await until(() => site().chat.hall.channel.size === 1)
      home.isAway = true
      const before = home.refused
      await until(() => home.refused > before + 10)
      home.isAway = false
      const after = home.kept
      await until(() => home.kept > after + 10)
      assert.deepEqual(left(), [])
      following.request.destroy()
    })
  })

  describe('several servers', () => {
    it('one that is killed is begun anew, and nobody has missed anything or has left', async () => {
      const { port, stop } = await serveRoom('processes', { port: 0, workers: 2, redis: '' })
      const url = `http://127.0.0.1:${port}`
      const histories: string[][] = []
      let missing = 0
      const visitors = await Promise.all(
        Array.from({ length: 4 }, async (_, n) => {
          const history: string[] = []
          histories.push(history)
          const add = ({ kind, text }: Line): void => void history.push(text ?? kind)
          const show = (_room: Room, isMissing: boolean): void => {
            if (isMissing) missing++
          }
          const visitor = new Visitor({
            url,
            name: `${n}`,
            key: `${n}`.repeat(16),
            view: { show, add, stands: () => {} },
          })
          let isIn = false
          const staying = visitor.stay(() => {
            isIn = true
          })
          await until(() => isIn)
          return { visitor, staying }
        }),
      )
      const speaker = visitors[0]?.visitor as Visitor
      const said: string[] = []
      for (let n = 1; said.length < 40; n++) {
        // whoever was cut off in the middle does not know whether it was heard
        await speaker.say(`${n}`).then(
          () => {
            said.push(`${n}`)
            if (said.length === 20) process.kill(workers()[0] as number, 'SIGKILL')
          },
          () => turn(),
        )
      }
      const last = said.at(-1) as string
      await until(() => histories.every((history) => history.includes(last)))
      for (const { visitor, staying } of visitors) {
        // its connection may have been that of the one that was killed
        await visitor.leave().catch(() => {})
        await staying
      }
      await stop()
      assert.equal(missing, 0)
      for (const history of histories) {
        const heard = history.filter((text) => /\d/.test(text))
        assert.deepEqual(
          heard,
          heard.toSorted((one, next) => Number(one) - Number(next)),
        )
        assert.equal(new Set(heard).size, heard.length)
        assert.deepEqual(
          said.filter((text) => !heard.includes(text)),
          [],
        )
        assert.ok(!history.slice(0, history.indexOf(last)).includes('leave'))
      }
    })
  })

  describe('the terminal', () => {
    interface Terminal {
      readonly text: string
      type(line: string): void
      shows(part: string): Promise<void>
      readonly ended: Promise<void>
      leave(): void
    }
    const terminals: Terminal[] = []
    afterEach(async () => {
      for (const { leave, ended } of terminals.splice(0)) {
        leave()
        await ended.catch(() => {})
      }
    })

    function terminal(name: string, url = site().served.url): Terminal {
      const input = new PassThrough()
      const output = new PassThrough()
      const stop = new AbortController()
      let text = ''
      output.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk.replace(/\d\d:\d\d( [AP]M)?/g, 'at')
      })
      const ended = runTerminal({ url, name, input, output, signal: stop.signal })
      ended.catch(() => {})
      const opened: Terminal = {
        get text() {
          return text
        },
        type: (line) => void input.write(`${line}\n`),
        shows: (part) => until(() => text.includes(part)),
        ended,
        leave: () => stop.abort(),
      }
      terminals.push(opened)
      return opened
    }

    it('two terminals: come in, talk, and leave', async () => {
      await open()
      const ann = terminal('Ann')
      await ann.shows('— here: Ann\n')
      const bob = terminal('Bob')
      await bob.shows('— here: Ann, Bob\n')
      await ann.shows('at Bob has come in\n')
      bob.type('hello')
      await ann.shows('at Bob hello\n')
      ann.type('  hi Bob  ')
      await bob.shows('at Ann hi Bob\n')
      ann.type('/who')
      await ann.shows('— here: Ann, Bob\n')
      bob.type('/quit')
      await bob.ended
      await ann.shows('at Bob has left\n')
      ann.leave()
      await ann.ended
      assert.deepEqual(names(await room()), [])
    })

    it('the name is taken: it says so, and is over', async () => {
      await open()
      await join('Ann')
      await assert.rejects(terminal('ann').ended, { code: 'ERR_NAME_TAKEN', message: 'ann is here already' })
    })

    it('the server is away for a while: it says so, and what was said meanwhile comes', async () => {
      await open()
      const { served, chat } = site()
      const ann = terminal('Ann')
      await ann.shows('— here: Ann\n')
      await until(() => chat.hall.channel.size === 1)
      await served.close()
      await ann.shows('— no answer; trying again\n')
      await chat.hall.join('bob', 'Bob')
      await new Promise<void>((resolve) => served.server.listen(served.port, '127.0.0.1', resolve))
      await ann.shows('— here again\n')
      await ann.shows('at Bob has come in\n')
      assert.doesNotMatch(ann.text, /missed/)
    })

    it('the room begins anew: it says that something was missed, and comes in again', async () => {
      await open()
      const { served, chat } = site()
      const ann = terminal('Ann')
      await ann.shows('— here: Ann\n')
      await until(() => chat.hall.channel.size === 1)
      await served.close()
      await chat.close()
      const anew = createApp({ log: new MemoryLog(), beat: 60_000 })
      const again = await serve(anew.app)
      await again.close()
      sites = [{ chat: anew, served: { ...again, port: served.port } }]
      const server = again.server.listen(served.port, '127.0.0.1')
      await ann.shows('— something was missed here\n')
      await until(() => names(anew.hall.state()).join() === 'Ann')
      ann.leave()
      await ann.ended
      assert.equal(server.listening, true)
    })

    it('who was silent for too long comes in again by itself', async () => {
      await open()
      const ann = terminal('Ann')
      await ann.shows('— here: Ann\n')
      await until(() => site().chat.hall.channel.size === 1)
      const [id = ''] = Object.keys((await room()).people)
      await site().chat.hall.publish({ event: 'leave', data: { id, at: 0 } })
      await ann.shows('at Ann has left\n')
      await until(() => names(site().chat.hall.state()).join() === 'Ann')
    })

    it('what others write does not move the cursor of a terminal', async () => {
      await open()
      const ann = terminal('Ann')
      await ann.shows('— here: ')
      const { hall } = site().chat
      await hall.join('eve', 'Ev\u001b[2Jil')
      await hall.publish({ event: 'say', data: { id: 'eve', text: '\u001b]0;title\u0007\r\u202eabc', at: 0 } })
      await ann.shows('at Ev [2Jil  ]0;title abc\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
      assert.doesNotMatch(ann.text, /[\u0000-\u0009\u000b-\u001f\u202e]/)
    })
  })
})

/** Processes of this one's in which a server of the room is. */
function workers(): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
  return Array.from(stdout.matchAll(/^ *(\d+) .*worker\.ts/gm), ([, pid]) => Number(pid))
}

/** A log that is away at times. */
class Flaky extends MemoryLog {
  isAway = false
  refused = 0
  kept = 0

  override async append(...args: Parameters<Log['append']>): ReturnType<Log['append']> {
    if (this.isAway) {
      this.refused++
      throw new LogError('ERR_LOG_AWAY', 'It is away')
    }
    this.kept++
    return super.append(...args)
  }
}
