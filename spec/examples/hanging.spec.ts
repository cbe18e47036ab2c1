import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { createApp, eventOf, type Hanging, pathOf } from '../../examples/hanging/app.js'
import { settings } from '../../examples/hanging/settings.js'
import { table } from '../../examples/hanging/table.js'
import { runTerminal } from '../../examples/hanging/terminal.js'
import { until } from '../support/gate.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Served, serve } from '../support/serve.js'
import { ask, endAll, type Running, run, skip } from './run-example.js'

describe('the hanging example', () => {
  let clock: ManualClock
  let hanging: Hanging
  let served: Served

  beforeEach(async () => {
    clock = new ManualClock()
    hanging = createApp({ timeout: 60_000, clock })
    served = await serve(hanging.app)
  })

  afterEach(() => served.close())

  const waiting = (count: number): Promise<void> => until(() => hanging.waiting.size === count)

  describe('the app', () => {
    it('a request hangs under the event of its path, and is answered when that is fired', async () => {
      const asking = served.get('/respond?any=query')
      await waiting(1)
      assert.deepEqual([...hanging.waiting.keys()], ['respond'])
      assert.equal(hanging.fire('respond'), 1)
      const { status, headers, body } = await asking
      assert.deepEqual([status, body], [200, 'respond'])
      assert.equal(headers['content-type'], 'text/plain; charset=utf-8')
      assert.equal(headers['cache-control'], 'no-store')
    })

    it('all under one event are answered, whatever their method, and nobody else', async () => {
      const asking = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'].map((method) => served.ask(method, '/paid'))
      const other = served.get('/refused')
      await waiting(7)
      assert.equal(hanging.fire('paid', 'Thank you'), 6)
      for (const { status } of await Promise.all(asking)) assert.equal(status, 200)
      assert.equal((await asking[0])?.body, 'Thank you')
      assert.deepEqual([...hanging.waiting.keys()], ['refused'])
      hanging.fire('refused')
      await other
    })

    it('nobody waits: none is answered', () => {
      assert.equal(hanging.fire('respond'), 0)
    })

    it('a client that leaves is forgotten', async () => {
      const asking = served.get('/respond')
      await waiting(1)
      asking.request.destroy()
      await waiting(0)
      assert.equal(clock.timers, 0)
    })

    it('a body that is still on its way does not hide that the client leaves', async () => {
      const { request } = served.ask('POST', '/respond', { headers: { 'content-length': '100' }, body: 'some' })
      request.on('error', () => {})
      await waiting(1)
      request.destroy()
      await waiting(0)
    })

    it('nobody fires in time: 503', async () => {
      const asking = served.get('/respond')
      await waiting(1)
      clock.advance(60_000)
      const { status, body } = await asking
      assert.deepEqual([status, body], [503, 'Nobody fired "respond" in time'])
    })

    it('drain: answers all, on connections that close, and resolves when they are answered', async () => {
      const asking = ['/', '/a', '/a/b'].map((path) => served.get(path))
      await waiting(3)
      const draining = hanging.drain()
      clock.advance(10)
      await draining
      for (const { status, headers, body } of await Promise.all(asking)) {
        assert.deepEqual([status, headers.connection, body], [503, 'close', 'The server is going away'])
      }
      assert.equal(clock.timers, 0)
    })
  })

  describe('the event of a path', () => {
    for (const [path, event] of [
      ['/respond', 'respond'],
      ['/', 'index'],
      ['/orders/42/paid', 'orders/42/paid'],
      ['/orders/', 'orders/'],
      ['//double', '/double'],
      ['/gr%C3%BC%C3%9Fe', 'grüße'],
      ['/two%20words', 'two words'],
      ['/%F0%9F%98%80', '😀'],
      ['/100%25', '100%'],
      ['/%zz', '%zz'],
      ['/%ff', '%ff'],
      ['/a%0Ab', 'a%0Ab'],
      ['/%1b%5B2J', '%1b%5B2J'],
      ['/\u009b2J', '%C2%9B2J'],
      ['/%20', '%20'],
      ['/%E2%80%AEevil', '%E2%80%AEevil'],
      ['*', '*'],
    ] as const) {
      it(`${JSON.stringify(path)} is ${event}, and ${pathOf(event)} is the same`, () => {
        assert.equal(eventOf(path), event)
        assert.equal(eventOf(pathOf(event)), event)
      })
    }
  })

  describe('the terminal', () => {
    /** With keys of its own: every write is a key pressed, as from a hand. */
    const open = ({ isTTY = false, signal }: { isTTY?: boolean; signal?: AbortSignal } = {}) => {
      const input = Object.assign(new PassThrough(), { isTTY })
      const output = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY })
      let shown = ''
      output.on('data', (chunk) => {
        shown += chunk
      })
      const ended = runTerminal(hanging, { input, output, now: clock.now, ...(signal && { signal }) })
      return {
        input,
        ended,
        get shown() {
          return shown
        },
        /** What it answers to a line. */
        async answers(line: string): Promise<string> {
          const before = shown.length
          input.write(`${line}\n`)
          await until(() => shown.endsWith('\n') && shown.length > before)
          return shown.slice(before)
        },
        press(...keys: string[]) {
          for (const key of keys) input.write(key)
        },
      }
    }

    const hang = async (...paths: string[]) => {
      const asking = []
      for (const path of paths) {
        asking.push(served.get(path))
        await waiting(asking.length)
      }
      return asking
    }

    it('a name answers all that wait under it, and says how many', async () => {
      const terminal = open()
      const asking = await hang('/respond', '/respond', '/other')
      assert.equal(await terminal.answers('respond'), 'respond: 2 answered\n')
      assert.equal((await asking[1])?.body, 'respond')
      assert.match(await terminal.answers('respond'), /^respond: nobody waits /)
      terminal.input.end()
      await terminal.ended
      assert.equal(hanging.waiting.size, 1)
    })

    it('what follows the name is the answer', async () => {
      const terminal = open()
      const [asking] = await hang('/respond')
      await terminal.answers('  respond   Hello,  you  ')
      assert.equal((await asking)?.body, 'Hello,  you')
      terminal.input.end()
      await terminal.ended
    })

    it('the longest name that waits begins the line', async () => {
      const terminal = open()
      const [short, long] = await hang('/two', '/two%20words')
      assert.equal(await terminal.answers('two words and more'), 'two words: 1 answered\n')
      assert.equal((await long)?.body, 'and more')
      assert.equal(await terminal.answers('two words'), 'two: 1 answered\n')
      assert.equal((await short)?.body, 'words')
      terminal.input.end()
      await terminal.ended
    })

    it('a name may be typed as its path: so commands can be events', async () => {
      const terminal = open()
      const asking = await hang('/show', '/quit', '/two%20words', '/')
      assert.equal(await terminal.answers('/show'), 'show: 1 answered\n')
      assert.equal(await terminal.answers('/quit'), 'quit: 1 answered\n')
      assert.equal(await terminal.answers('/two%20words well, three'), 'two words: 1 answered\n')
      assert.equal((await asking[2])?.body, 'well, three')
      assert.equal(await terminal.answers('/'), 'index: 1 answered\n')
      terminal.input.end()
      await terminal.ended
    })

    it('show: who waits, since when, until when', async () => {
      const terminal = open()
      await hang('/respond')
      clock.advance(9_000)
      const posting = served.post('/orders/42/paid')
      await waiting(2)
      clock.advance(500)
      const [first] = hanging.waiting
      assert.match(first?.id ?? '', /^c/)
      const shown = (await terminal.answers('show'))
        .replace(/\bc[0-9a-z]+ +/g, 'cN  ')
        .replace(/\d\d:\d\d:\d\d/g, 'hh:mm:ss')
      assert.deepEqual(
        shown.split('\n').map((line) => line.replace(/^id +/, 'id  ')),
        [
          'id  event           method  since                  until',
          'cN  respond         GET     hh:mm:ss (10 s ago)    hh:mm:ss (in 51 s)',
          'cN  orders/42/paid  POST    hh:mm:ss (500 ms ago)  hh:mm:ss (in 60 s)',
          '',
        ],
      )
      const draining = hanging.drain()
      clock.advance(10)
      await draining
      await posting
      assert.equal(await terminal.answers('show'), 'Nobody waits\n')
      terminal.input.end()
      await terminal.ended
    })

    it('show: a request without a timeout waits for ever, and a long name is cut', async () => {
      const [asking] = await hang(`/${'long'.repeat(20)}`)
      const [first] = hanging.waiting
      first?.setTimeout(0)
      assert.match(table(hanging.waiting, clock.now()), / (?:long){9}lon… {2}GET {5}\S+ \(0 ms ago\) {2}for ever\n$/)
      const draining = hanging.drain()
      clock.advance(10)
      await draining
      await asking
    })

    it('help names every command', async () => {
      const terminal = open()
      const help = await terminal.answers('help')
      for (const name of ['show', 'help', 'quit', 'Ctrl-C', 'Ctrl-D']) assert.match(help, new RegExp(`\\b${name}\\b`))
      terminal.input.end()
      await terminal.ended
    })

    it('an empty line does nothing', async () => {
      const terminal = open()
      terminal.input.end('\n  \n')
      await terminal.ended
      assert.equal(terminal.shown, '')
    })

    it('quit ends it: what stands behind it in the pipe is not run', async () => {
      const terminal = open()
      const [asking] = await hang('/respond')
      terminal.input.write('quit\nrespond\nshow\n')
      await terminal.ended
      assert.equal(hanging.waiting.size, 1)
      assert.equal(terminal.shown, '')
      const draining = hanging.drain()
      clock.advance(10)
      await draining
      await asking
    })

    it('the last line counts though nothing ends it', async () => {
      const terminal = open()
      const [asking] = await hang('/respond')
      terminal.input.end('respond')
      await terminal.ended
      assert.equal((await asking)?.status, 200)
    })

    it('a signal ends it', async () => {
      const stop = new AbortController()
      const terminal = open({ signal: stop.signal })
      stop.abort()
      await terminal.ended
    })

    for (const [name, key] of [
      ['Ctrl-C', '\x03'],
      ['Ctrl-D', '\x04'],
    ] as const) {
      it(`${name} ends it`, async () => {
        const terminal = open({ isTTY: true })
        terminal.press(key)
        await terminal.ended
      })
    }

    it('prompts on a terminal, and nowhere else', async () => {
      const terminal = open({ isTTY: true })
      assert.match(terminal.shown, /> /)
      terminal.press('\x04')
      await terminal.ended
      const piped = open()
      piped.input.end('show\n')
      await piped.ended
      assert.equal(piped.shown, 'Nobody waits\n')
    })

    it('Tab completes the names that wait now', async () => {
      const terminal = open({ isTTY: true })
      const [asking] = await hang('/respond')
      terminal.press('r', 'e', '\t')
      await until(() => terminal.shown.includes('respond'))
      terminal.press('\r')
      assert.equal((await asking)?.body, 'respond')
      terminal.press('\x04')
      await terminal.ended
    })

    it('Tab on an empty line lists commands and names, each as it is to be typed', async () => {
      const terminal = open({ isTTY: true })
      const asking = await hang('/respond', '/two%20words', '/show', '//double')
      terminal.press('\t', '\t')
      await until(() => terminal.shown.includes('double'))
      const listed = terminal.shown.split(/\s{2,}/)
      for (const name of ['show', 'help', 'quit', 'respond', 'two words', '/show', '//double']) {
        assert.ok(listed.includes(name), `${name} in ${JSON.stringify(listed)}`)
      }
      terminal.press('/', 't', '\t')
      await until(() => terminal.shown.includes('/two%20words'))
      terminal.press('\r')
      assert.equal((await asking[1])?.body, 'two words')
      terminal.press('\x04')
      await terminal.ended
    })
  })

  describe('the command line', () => {
    it('--port, else PORT, else 3000', () => {
      assert.equal(settings(['--port', '8080'], { PORT: '81' }).port, 8080)
      assert.equal(settings([], { PORT: '81' }).port, 81)
      assert.equal(settings([], {}).port, 3000)
    })

    it('--timeout in milliseconds, 60 seconds by default', () => {
      assert.equal(settings(['--timeout=5000'], {}).timeout, 5000)
      assert.equal(settings(['--timeout', '0'], {}).timeout, 0)
      assert.equal(settings([], {}).timeout, 60_000)
    })

    for (const args of [
      ['--port', 'x'],
      ['--port=65536'],
      ['--port='],
      ['--timeout=-1'],
      ['--timeout=1e3'],
      ['--huh'],
      ['x'],
    ]) {
      it(`${args.join(' ')}: an error that names it`, () => {
        assert.throws(
          () => settings(args, {}),
          ({ message }: Error) => /port|timeout|huh|'x'/.test(message),
        )
      })
    }
  })
})

describe('npm run hanging', () => {
  afterEach(endAll)

  const start = async (how?: Parameters<typeof run>[1]): Promise<{ example: Running; url: string }> => {
    const example = run('hanging', how)
    const [, url = ''] = await example.prints(/curl (http:\/\/127\.0\.0\.1:\d+)\/respond\r?\n/)
    return { example, url }
  }

  /** Asks the terminal until somebody waits under the event. */
  const hangs = async (example: Running, event: string): Promise<string> => {
    for (;;) {
      const before = example.printed.length
      example.type('show')
      const [shown] = await example.prints(new RegExp(`Nobody waits|^c\\w+ +${event} .*(?:\\)|for ever)`, 'm'), before)
      if (shown !== 'Nobody waits') return shown
    }
  }

  it('an event that is typed answers those that wait for it', async () => {
    const { example, url } = await start()
    const asking = ask(`${url}/respond`)
    await hangs(example, 'respond')
    example.type('respond Hello there')
    const { status, body } = await asking
    assert.deepEqual([status, body], [200, 'Hello there'])
    await example.prints(/respond: 1 answered\n/)
    example.type('quit')
    assert.deepEqual(await example.ended, { code: 0, signal: null })
  })

  for (const [how, end] of [
    ['SIGINT', (example) => example.signal('SIGINT')],
    ['SIGTERM', (example) => example.signal('SIGTERM')],
    ['quit', (example) => example.type('quit')],
    ['the end of the input', (example) => example.endInput()],
  ] as [string, (example: Running) => void][]) {
    it(`${how}: answers all that wait, and ends at once with exit code 0`, async () => {
      const { example, url } = await start({ args: ['--timeout', '0'] })
      const asking = ask(`${url}/respond`)
      await hangs(example, 'respond')
      end(example)
      const { status, connection } = await asking
      assert.deepEqual([status, connection], [503, 'close'])
      assert.deepEqual(await example.ended, { code: 0, signal: null })
    })
  }

  it('without any input: runs until a signal', async () => {
    const { example, url } = await start({ stdin: 'ignore', args: ['--timeout', '1'] })
    assert.equal((await ask(`${url}/respond`)).status, 503)
    example.signal('SIGTERM')
    assert.deepEqual(await example.ended, { code: 0, signal: null })
  })

  for (const [name, key] of [
    ['Ctrl-C', '\x03'],
    ['Ctrl-D', '\x04'],
  ] as const) {
    it(`${name} in a real terminal: answers all that wait, and ends with exit code 0`, async function () {
      const script = spawnSync('script', ['--version'])
      if (!String(script.stdout).includes('util-linux')) skip(this, 'there is no script(1) of util-linux')
      const within = (command: string[]) => [
        'script',
        '--quiet',
        '--return',
        '--command',
        command.join(' '),
        '/dev/null',
      ]
      const { example, url } = await start({ within })
      await example.prints(/> /)
      const asking = ask(`${url}/respond`)
      await hangs(example, 'respond')
      example.press(key)
      assert.equal((await asking).status, 503)
      assert.deepEqual(await example.ended, { code: 0, signal: null })
    })
  }

  it('--help: how to call it', async () => {
    const example = run('hanging', { args: ['--help'] })
    assert.deepEqual(await example.ended, { code: 0, signal: null })
    assert.match(example.printed, /--port.*\n.*--timeout/)
  })

  it('an option it does not know: says so, exit code 1', async () => {
    const example = run('hanging', { args: ['--wait', '1'] })
    assert.equal((await example.ended).code, 1)
    assert.match(example.printed, /^Unknown option '--wait'[^\n]*\n$/)
  })
})
