import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'
import { inspect } from 'node:util'
import { createClient } from 'redis'
import { systemClock } from '../../../src/core/clock.js'
import { LogError } from '../../../src/log/errors.js'
import type { Backlog, Position } from '../../../src/log/log.js'
import { RedisLog, type RedisLogOptions } from '../../../src/log/redis/index.js'
import { until } from '../../support/gate.js'
import { ManualClock } from '../../support/manual-clock.js'
import { noRedis, type RedisServer, redisServer } from '../../support/redis-server.js'

const wide: Backlog = { messages: 100_000, bytes: 100_000_000, age: 3_600_000 }

describe(`RedisLog${noRedis}`, () => {
  let server: RedisServer
  let log: RedisLog
  const others: RedisLog[] = []

  before(async function () {
    if (noRedis !== '') this.skip()
    server = await redisServer('--appendfsync', 'no')
  })
  after(() => server?.close())
  beforeEach(async () => {
    await server.ask('FLUSHALL')
    log = open()
  })
  afterEach(async () => {
    for (const other of others.splice(0)) await other.close()
  })

  const open = (options: RedisLogOptions = {}): RedisLog => {
    const opened = new RedisLog({ url: server.url, ...options })
    others.push(opened)
    return opened
  }
  const append = (count: number, from = log, channel = 'a', backlog = wide): Promise<Position[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => from.append(channel, { data: String(n + 1) }, backlog)))
  const data = async (channel = 'a', from = log): Promise<string> =>
    (await from.read(channel, 'oldest')).messages.map(({ data }) => data).join()

  /** How often Redis has run a command since it was asked last. */
  async function calls(command: string): Promise<number> {
    const stats = await server.ask('INFO', 'commandstats')
    await server.ask('CONFIG', 'RESETSTAT')
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  }
  /** Milliseconds after which Redis forgets it, or -1. */
  const left = async (kind: string, name: string): Promise<number> =>
    Number((await server.ask('PTTL', `{koa-continuation}:${kind}:${name}`)).slice(1))
  /** Beside the one that asks. */
  const connections = async (): Promise<number> =>
    (await server.ask('CLIENT', 'LIST')).split('\n').filter((line) => line.startsWith('id=')).length - 1

  /** Reads on at every ring, from now. */
  async function follower(from: RedisLog): Promise<{ seen: string[]; gaps: string[]; rings: number; stop(): void }> {
    const own = { seen: [] as string[], gaps: [] as string[], rings: 0, stop: () => {} }
    let { next } = await from.read('a', 'now')
    let reading = Promise.resolve()
    own.stop = await from.tail('a', () => {
      own.rings++
      reading = reading.then(async () => {
        // a test may end before what it does not wait for is read
        if (from.state === 'closed') return
        const reading = await from.read('a', next).catch((error: LogError) => {
          if (error.code !== 'ERR_LOG_CLOSED') throw error
        })
        if (!reading) return
        own.seen.push(...reading.messages.map(({ data }) => data))
        if (reading.gap !== undefined) own.gaps.push(reading.gap)
        next = reading.next
      })
    })
    return own
  }

  it('opens nothing before it is needed; then two connections, for however many channels; and closes them', async () => {
    const before = await connections()
    assert.deepEqual([log.state, before], ['idle', 0])
    await append(1)
    assert.deepEqual([log.state, await connections()], ['open', 1])
    const stops = await Promise.all(Array.from({ length: 50 }, (_, n) => log.tail(`channel ${n}`, () => {})))
    assert.equal(await connections(), 2)
    assert.equal(log.statistics.channels, 50)
    for (const stop of stops) stop()
    assert.equal(log.statistics.channels, 0)
    await log.close()
    for (let open = 2; open > 0; ) open = await connections()
    assert.equal(log.state, 'closed')
  })

  for (const [what, end] of [
    ['closed', (log: RedisLog) => log.close()],
    ['given up', (_: RedisLog, clock: ManualClock) => clock.advance(10_000)],
  ] as const) {
    it(`${what} while it connects: no connection stays`, async () => {
      const host = createServer().listen(0, '127.0.0.1')
      await once(host, 'listening')
      try {
        const clock = new ManualClock()
        const own = open({ url: `redis://127.0.0.1:${(host.address() as AddressInfo).port}`, clock })
        const calling = assert.rejects(
          own.tail('a', () => {}),
          LogError,
        )
        // the attempt has begun, and has no socket yet
        await undefined
        const sockets: Promise<unknown>[] = []
        host.on('connection', (socket) => {
          sockets.push(once(socket, 'close'))
          pipeline(socket, connect(server.path), socket, () => {})
        })
        await end(own, clock)
        await until(() => sockets.length === 2)
        await Promise.all(sockets)
        await calling
      } finally {
        host.close()
      }
    })
  }

  it('ready() connects', async () => {
    await log.ready()
    assert.equal(log.state, 'open')
    await log.ready()
  })

  for (const protocol of [2, 3] as const) {
    it(`takes the settings of a client, and leaves it alone: version ${protocol} of the protocol`, async () => {
      const client = createClient({ url: server.url, RESP: protocol, name: `own-${protocol}` })
      const own = open({ client })
      const { seen } = await follower(own)
      await append(2)
      await until(() => seen.length === 2)
      assert.match(await server.ask('CLIENT', 'LIST'), new RegExp(`name=own-${protocol} .*resp=${protocol}`))
      await own.close()
      assert.equal(client.isOpen, false)
    })
  }

  it('asks a function for a client before each connection', async () => {
    const asked: number[] = []
    const own = open({
      client: async () => {
        asked.push(asked.length)
        return createClient({ url: server.url })
      },
    })
    await append(1, own)
    await server.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await append(1, own)
    assert.deepEqual(asked, [0, 1])
  })

  it('logs of the same prefix are one, those of others apart', async () => {
    await append(2, open({ prefix: 'one' }))
    await append(1, open({ prefix: 'two' }))
    assert.equal(await data('a', open({ prefix: 'one' })), '1,2')
    assert.equal(await data('a', open({ prefix: 'two' })), '1')
    assert.equal(await data(), '')
  })

  it('any string names a channel', async () => {
    const names = [
      '{',
      '}',
      '{}',
      '}a{',
      'a b',
      '%',
      '%25',
      'ž',
      '🐎',
      '\ud83d',
      '\udc0e',
      '%d83d',
      '\n',
      'a'.repeat(9_000),
    ]
    for (const name of names) await log.append(name, { data: JSON.stringify(name) }, wide)
    for (const name of names) assert.equal(await data(name), JSON.stringify(name))
    const rung = new Set<string>()
    for (const name of names) await log.tail(name, () => rung.add(name))
    const other = open()
    for (const name of names) await other.append(name, { data: '1' }, wide)
    await until(() => rung.size === names.length)
  })

  it('what is appended at the same time goes to Redis together, and stays in order', async () => {
    await append(1)
    await calls('evalsha')
    const positions = await append(1_000)
    assert.deepEqual(
      positions.map(({ seq }) => seq),
      Array.from({ length: 1_000 }, (_, n) => n + 2),
    )
    assert.equal(await calls('evalsha'), 4)
    assert.equal((await data()).split(',')[999], '999')
  })

  it('messages with other limits are appended in their turn, by their own', async () => {
    const one = append(3)
    const two = append(3, log, 'a', { ...wide, messages: 4 })
    await Promise.all([one, two])
    assert.equal(await data(), '3,1,2,3')
  })

  for (const [size, reads] of [
    ['small', 0],
    ['large', 1],
  ] as const) {
    const large = JSON.stringify('x'.repeat(5_000))
    const message = { data: size === 'small' ? '1' : large }
    it(`1 000 who follow read a ${size} message of another process, and Redis is asked ${reads} times for it`, async () => {
      const other = open()
      const { next } = await log.read('a', 'now')
      let read = 0
      for (let n = 0; n < 1_000; n++) {
        await log.tail('a', async () => {
          const { messages } = await log.read('a', next)
          if (messages.length === 1 && messages[0]?.data === message.data) read++
        })
      }
      await append(1, other, 'elsewhere')
      await calls('evalsha')
      await other.append('a', message, wide)
      await until(() => read === 1_000)
      assert.equal(await calls('evalsha'), 1 + reads)
      // what it publishes itself it does not read
      await log.append('a', message, wide)
      assert.equal(await calls('evalsha'), 1)
    })
  }

  it('who asks for the same at the same time shares one read', async () => {
    await append(3)
    await calls('evalsha')
    const readings = await Promise.all(Array.from({ length: 100 }, () => log.read('a', 'oldest')))
    for (const { messages } of readings) assert.equal(messages.length, 3)
    assert.equal(await calls('evalsha'), 1)
  })

  it('reads what it has appended itself, whoever appends and reads meanwhile', async () => {
    const other = open()
    await follower(log)
    await Promise.all(
      Array.from({ length: 200 }, async () => {
        const [theirs, [own]] = await Promise.all([append(1, other), append(1)])
        assert.equal(theirs.length, 1)
        const { messages, gap } = await log.read('a', { ...(own as Position), seq: (own as Position).seq - 1 })
        assert.equal(gap, undefined)
        assert.equal(messages[0]?.seq, own?.seq)
      }),
    )
  })

  it('keeps no more of the newest messages in this process than it may', async () => {
    const small = open({ cache: 1_000 })
    const other = open()
    await small.tail('a', () => {})
    await small.tail('b', () => {})
    for (const channel of ['a', 'b', 'a', 'b']) {
      await Promise.all(Array.from({ length: 300 }, () => other.append(channel, { data: '12345678' }, wide)))
    }
    await until(() => small.statistics.cached > 0)
    assert.ok(small.statistics.cached <= 1_000, `${small.statistics.cached} bytes`)
    for (const channel of ['a', 'b']) assert.equal((await small.read(channel, 'oldest')).messages.length, 600)
    await small.close()
    assert.equal(small.statistics.cached, 0)
  })

  it('a message older than its age is read no longer, not even where it was kept in this process', async () => {
    let now = Date.now()
    const clock = { ...systemClock, now: () => now }
    const own = open({ now: () => now, clock })
    await own.tail('a', () => {})
    const backlog = { ...wide, age: 1_000 }
    const [first] = (await append(2, own, 'a', backlog)) as [Position, Position]
    assert.equal((await own.read('a', first)).messages.length, 1)
    now += 1_000
    const { messages, gap } = await own.read('a', first)
    assert.deepEqual([messages, gap], [[], 'trimmed'])
  })

  it('Redis has forgotten its scripts: they are sent again', async () => {
    await append(2)
    await server.ask('SCRIPT', 'FLUSH')
    await append(2)
    await server.ask('SCRIPT', 'FLUSH')
    assert.equal(await data(), '1,2,1,2')
  })

  it('a channel of which nobody asks is forgotten; one that is asked of or followed is kept for as long again', async () => {
    let now = Date.now()
    const own = open({ idle: 60_000, heartbeat: 5, now: () => now, clock: { ...systemClock, now: () => now } })
    const names = ['left', 'used', 'followed']
    for (const name of names) {
      await append(1, own, name)
      for (const kind of ['stream', 'state']) {
        assert.ok((await left(kind, name)) > 50_000)
        await server.ask('PEXPIRE', `{koa-continuation}:${kind}:${name}`, '30000')
      }
    }
    await own.tail('followed', () => {})
    now += 30_000
    await own.read('used', 'oldest')
    for (const kind of ['stream', 'state']) {
      while ((await left(kind, 'followed')) < 50_000);
      assert.ok((await left(kind, 'used')) > 50_000)
      assert.ok((await left(kind, 'left')) <= 30_000)
    }
  })

  for (const [what, begin] of [
    ['followed before its first message', () => log.tail('a', () => {})],
    ['read before its first message', () => log.read('a', 'oldest')],
    [
      'appended to, and whose stream was deleted',
      async () => {
        await append(1)
        await server.ask('DEL', '{koa-continuation}:stream:a')
      },
    ],
  ] as const) {
    it(`a channel that was ${what} is forgotten with its messages`, async () => {
      await begin()
      await append(1)
      for (const kind of ['stream', 'state']) assert.ok((await left(kind, 'a')) > 0, kind)
    })
  }

  it('remembers the last batch of each writer, but not for ever', async () => {
    let now = Date.now()
    for (let writer = 0; writer < 200; writer++) {
      now += 60_000
      await append(1, open({ now: () => now }), 'a', { ...wide, age: Number.POSITIVE_INFINITY })
    }
    const fields = Number((await server.ask('HLEN', '{koa-continuation}:state:a')).slice(1))
    assert.ok(fields > 60 && fields < 90, `${fields} fields`)
    assert.equal((await data()).split(',').length, 200)
  })

  /** One whose commands are heard: `appends` says those that append. */
  function overheard(): { own: RedisLog; appends(): string[][] } {
    const commands: string[][] = []
    const client = createClient({ url: server.url })
    const { duplicate } = client
    client.duplicate = ((...args: Parameters<typeof duplicate>) => {
      const made = duplicate.apply(client, args)
      const { sendCommand } = made
      made.sendCommand = ((command: string[]) => {
        commands.push([...command])
        return sendCommand.call(made, command)
      }) as typeof sendCommand
      return made
    }) as typeof duplicate
    const own = open({ client: client as never })
    return { own, appends: () => commands.filter(([name, , keys]) => name === 'EVALSHA' && keys === '3') }
  }

  it('a batch that comes late, after the next one of its writer, is not appended', async () => {
    const { own, appends } = overheard()
    for (const n of [1, 2]) await own.append('a', { data: String(n) }, wide)
    assert.equal(appends().length, 2)
    for (const append of appends()) await server.ask(...append)
    assert.equal(await data(), '1,2')
  })

  it('a batch that comes again is known by its writer, whoever has appended since', async () => {
    const { own, appends } = overheard()
    const { own: other, appends: others } = overheard()
    await own.append('a', { data: '1' }, wide)
    await other.append('a', { data: '2' }, wide)
    for (const again of [...appends(), ...others(), ...appends()]) await server.ask(...again)
    assert.equal(await data(), '1,2')
    await own.append('a', { data: '3' }, wide)
    await other.append('a', { data: '4' }, wide)
    for (const again of [...others(), ...appends()]) await server.ask(...again)
    assert.equal(await data(), '1,2,3,4')
  })

  describe('what Redis has lost is told', () => {
    it('emptied while it is followed: a ring, a gap, and all there is', async () => {
      // emptied and appended to in one millisecond it is noticed at the next sign of life only
      const [quick, other] = [open({ heartbeat: 50 }), open({ heartbeat: 50 })]
      await append(3)
      const own = await follower(quick)
      const theirs = await follower(other)
      await append(2)
      await until(() => own.seen.length === 2 && theirs.seen.length === 2)
      await server.ask('FLUSHALL')
      await append(1, other)
      await until(() => own.gaps.length === 1 && theirs.gaps.length === 1)
      await append(1, other)
      await until(() => own.seen.length === 4 && theirs.seen.length === 4)
      assert.deepEqual([own.gaps, theirs.gaps, own.seen], [['foreign'], ['foreign'], ['1', '2', '1', '1']])
    })

    it('emptied, and its clock was put back: what is appended since has earlier ids, and is noticed', async () => {
      const quick = open({ heartbeat: 20 })
      await server.ask('XADD', '{koa-continuation}:doorbells', '99999999999999-0', 'later', 'e', '1', '')
      const { gaps, seen } = await follower(quick)
      await append(1, quick)
      await server.ask('FLUSHALL')
      await append(1)
      await until(() => gaps.length > 0 && seen.length > 0)
    })

    it('emptied, and nobody appends: it is noticed all the same', async () => {
      const quick = open({ heartbeat: 20 })
      await append(1, quick)
      const { gaps } = await follower(quick)
      await server.ask('FLUSHALL')
      await until(() => gaps.length === 1)
    })

    for (const times of [1, Number.POSITIVE_INFINITY]) {
      const often = times === 1 ? 'once' : 'all the time'
      it(`emptied, and another channel is appended to ${often}: those who wait at this one are told`, async () => {
        const quick = open({ heartbeat: 50 })
        await append(1, quick)
        const { gaps } = await follower(quick)
        await append(1, log, 'b')
        await server.ask('FLUSHALL')
        for (let n = 0; n < times && gaps.length === 0; n++) await append(1, log, 'b')
        await until(() => gaps.length === 1)
      })
    }

    it('the stream is gone, as when memory was short: a gap, and it goes on', async () => {
      const [, last] = (await append(2)) as [Position, Position]
      await server.ask('DEL', '{koa-continuation}:stream:a')
      assert.equal((await log.read('a', { ...last, seq: 1 })).gap, 'trimmed')
      assert.equal((await log.read('a', last)).gap, undefined)
      const [third] = (await append(1)) as [Position]
      assert.deepEqual(third, { ...last, seq: 3 })
      const { messages, gap } = await log.read('a', { ...last, seq: 1 })
      assert.deepEqual([messages.map(({ seq }) => seq), gap], [[3], 'trimmed'])
    })

    it('what else it knew of the channel is gone: a gap, and it begins anew', async () => {
      const [first] = await append(2)
      await server.ask('DEL', '{koa-continuation}:state:a')
      assert.equal((await log.read('a', first as Position)).gap, 'foreign')
      await append(1)
      assert.equal(await data(), '1')
    })

    it('a message in the middle is gone: a gap', async () => {
      const first = await log.append('a', { data: '1' }, wide)
      for (const data of ['2', '3']) await log.append('a', { data }, wide)
      const entry = /2-\d+/.exec(await server.ask('XRANGE', '{koa-continuation}:stream:a', '2', '2')) as RegExpExecArray
      await server.ask('XDEL', '{koa-continuation}:stream:a', entry[0])
      const { messages, gap } = await log.read('a', first)
      assert.deepEqual([messages.map(({ seq }) => seq), gap], [[3], 'trimmed'])
      await append(3, log, 'a', { ...wide, messages: 2 })
      assert.equal(await data(), '2,3')
    })

    it('a message in the middle is gone before a process that follows has read it: who reads there is told the same', async () => {
      const clock = new ManualClock()
      const behind = open({ clock, retry: () => 1 })
      const first = await log.append('a', { data: '1' }, wide)
      let rings = 0
      await behind.tail('a', () => rings++)
      await server.ask('CLIENT', 'KILL', 'TYPE', 'normal')
      await until(() => behind.statistics.troubles === 2)
      for (const data of ['2', '3', '4', '5']) await log.append('a', { data }, wide)
      const entry = /3-\d+/.exec(await server.ask('XRANGE', '{koa-continuation}:stream:a', '3', '3')) as RegExpExecArray
      await server.ask('XDEL', '{koa-continuation}:stream:a', entry[0])
      clock.advance(1)
      await until(() => rings > 0)
      const { messages, gap } = await behind.read('a', first)
      assert.deepEqual([messages.map(({ seq }) => seq), gap], [[2, 4, 5], 'trimmed'])
      for (const seq of [1, 2, 3, 4, 5]) {
        assert.deepEqual(
          await behind.read('a', { ...first, seq }),
          await log.read('a', { ...first, seq }),
          `after ${seq}`,
        )
      }
    })
  })

  it('a node of a Redis Cluster: all keys of a log are in one slot', async () => {
    const node = await redisServer('--cluster-enabled', 'yes', '--appendfsync', 'no')
    try {
      await node.ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      while (!(await node.ask('CLUSTER', 'INFO')).includes('cluster_state:ok'));
      const one = open({ url: node.url })
      const two = open({ url: node.url })
      const rung = new Set<string>()
      const names = Array.from({ length: 20 }, (_, n) => `channel ${n}`)
      for (const name of names) await one.tail(name, () => rung.add(name))
      for (const name of names) await append(2, two, name)
      await until(() => rung.size === names.length)
      for (const name of names) assert.equal(await data(name, one), '1,2')
      await one.close()
      await two.close()
    } finally {
      await node.close()
    }
  })

  it('a user with few rights: those that the page names are enough', async () => {
    const page = await readFile(new URL('../../../docs/redis.md', import.meta.url), 'utf8')
    const [, rights = ''] = /`(\+eval [^`]*)`/.exec(page) ?? []
    const user = ['few', 'on', '>secret', '-@all', '~{koa-continuation}:*', ...rights.split(/\s+/)]
    assert.equal(await server.ask('ACL', 'SETUSER', ...user), '+OK\r\n')
    const few = open({ client: createClient({ url: server.url, username: 'few', password: 'secret' }), heartbeat: 10 })
    const { seen } = await follower(few)
    for (const [writer, messages] of [
      [few, 2],
      [log, 1],
    ] as const) {
      await append(3, writer, 'a', { ...wide, messages })
    }
    await until(() => seen.length >= 2 && few.statistics.channels === 1)
    assert.equal(await data('a', few), '3')
    await server.ask('FLUSHALL')
    await append(1, few)
    assert.equal(await data('a', few), '1')
    assert.equal(few.statistics.lastTrouble, undefined)
  })

  it('refuses options that it does not know, of the wrong type, and out of range', async () => {
    const refused: [object, RegExp][] = [
      [{ host: 'a' }, /has no option host/],
      [{ url: 'http://a' }, /url must be/],
      [{ url: 7 }, /url must be/],
      [{ url: 'redis://a b' }, /^url must be a URL that node-redis can read: Invalid URL$/],
      [{ url: 'redis://127.0.0.1:99999' }, /url must be/],
      [{ url: 'redis://127.0.0.1:6379/abc' }, /url must be/],
      [{ url: 'redis://user:%zz@127.0.0.1' }, /url must be/],
      [{ url: 'unix:' }, /url must be/],
      [{ client: {} }, /client must be/],
      [{ prefix: '' }, /prefix must be/],
      [{ prefix: 'a{b' }, /prefix must be/],
      [{ wait: -1 }, /wait must be/],
      [{ wait: '5' }, /wait must be/],
      [{ timeout: Number.NaN }, /timeout must be/],
      [{ queue: 0 }, /queue must be/],
      [{ queue: 1.5 }, /queue must be/],
      [{ cache: -1 }, /cache must be/],
      [{ idle: 0 }, /idle must be/],
      [{ heartbeat: 0 }, /heartbeat must be/],
      [{ heartbeat: Number.POSITIVE_INFINITY }, /heartbeat must be/],
      [{ retry: 50 }, /retry must be/],
      [{ onTrouble: {} }, /onTrouble must be/],
      [{ now: 5 }, /now must be/],
      [{ clock: {} }, /clock must be/],
    ]
    for (const [options, message] of refused) {
      assert.throws(() => new RedisLog(options as RedisLogOptions), { code: 'ERR_INVALID_OPTION', message })
    }
    assert.throws(
      () => new RedisLog({ url: 'redis://user:secret@a b' }),
      (error) => !inspect(error).includes('secret'),
    )
    const endless = Number.POSITIVE_INFINITY
    open({ wait: endless, timeout: 0, queue: endless, cache: endless, idle: endless })
  })

  it('times that are no whole milliseconds', async () => {
    const own = open({ heartbeat: 10_000 / 3, idle: 1_000_000 / 3, wait: 1_000 / 3, timeout: 20_000 / 3 })
    const { seen } = await follower(own)
    await append(1, log, 'a', { ...wide, age: 100_000 / 3 })
    await until(() => seen.length === 1)
    assert.equal(own.statistics.lastTrouble, undefined)
  })

  it('backlogs without end, and channels that are never forgotten', async () => {
    const own = open({ idle: Number.POSITIVE_INFINITY })
    const endless = Number.POSITIVE_INFINITY
    await append(3, own, 'a', { messages: endless, bytes: endless, age: endless })
    assert.equal(await data('a', own), '1,2,3')
    assert.match(await server.ask('TTL', '{koa-continuation}:stream:a'), /^:-1/)
  })

  it('what Redis answers with an error is a LogError, and the next call goes on', async () => {
    await server.ask('SET', '{koa-continuation}:state:a', 'no hash')
    for (const calling of [append(1), log.read('a', 'oldest'), log.tail('a', () => {})]) {
      await assert.rejects(calling as Promise<unknown>, (error: LogError) => {
        assert.ok(error instanceof LogError)
        assert.deepEqual([error.code, error.status, error.inDoubt], ['ERR_LOG_REFUSED', 503, false])
        assert.match((error.cause as Error).message, /^WRONGTYPE/)
        return true
      })
    }
    assert.equal(log.statistics.channels, 0)
    await append(1, log, 'b')
  })

  it('what Redis refuses to keep is told to nobody, and the next message takes its place', async () => {
    const own = await follower(open())
    const other = open()
    await append(1, other)
    await until(() => own.seen.length === 1)
    await server.ask('SET', '{koa-continuation}:stream:a', 'no stream')
    await assert.rejects(other.append('a', { data: '"refused"' }, wide), { code: 'ERR_LOG_REFUSED', inDoubt: false })
    await server.ask('DEL', '{koa-continuation}:stream:a')
    await other.append('a', { data: '"kept"' }, wide)
    await until(() => own.seen.length === 2)
    assert.deepEqual([own.seen, own.gaps], [['1', '"kept"'], []])
  })
})
