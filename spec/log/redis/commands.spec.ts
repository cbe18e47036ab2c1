import assert from 'node:assert/strict'
import type { Backlog } from '../../../src/log/log.js'
import { RedisLog } from '../../../src/log/redis/index.js'

const wide: Backlog = { messages: 100, bytes: 1_000_000, age: 3_600_000 }

/** The server of the first connection refuses every script with this answer; those of the next ones run them. */
class Refusing {
  readonly #answer: string
  readonly #opened: { count: number }
  #isFirst = false

  constructor(answer: string, opened = { count: 0 }) {
    this.#answer = answer
    this.#opened = opened
  }

  get connections(): number {
    return this.#opened.count
  }

  duplicate(): Refusing {
    return new Refusing(this.#answer, this.#opened)
  }

  on(): void {}

  async connect(): Promise<void> {
    this.#isFirst = ++this.#opened.count === 1
  }

  async sendCommand([name]: readonly string[]): Promise<unknown> {
    if (name === 'INFO') return `run_id:${this.#opened.count}\r\n`
    if (name === 'SCRIPT') return 'f00d'
    if (this.#isFirst) throw new Error(this.#answer)
    return ['e', 1]
  }

  destroy(): void {}
}

describe('what Redis answers to a script', () => {
  for (const [version, answer] of [
    ['7', "READONLY You can't write against a read only replica. script: f00d, on @user_script:4."],
    [
      '6.2, where it calls',
      "ERR Error running script (call to f_f00d): @user_script:4: @user_script: 4: -READONLY You can't write against a read only replica.",
    ],
    ['6.2, where it tries to', "@user_script: 59: -READONLY You can't write against a read only replica."],
  ] as const) {
    it(`version ${version}: one that became a replica counts as away, and the next connection is asked`, async () => {
      const client = new Refusing(answer)
      const log = new RedisLog({ client, retry: () => 0 })
      assert.deepEqual(await log.append('a', { data: '1' }, wide), { epoch: 'e', seq: 1 })
      assert.equal(client.connections, 2)
      await log.close()
    })
  }

  for (const answer of [
    'ERR Error running script (call to f_f00d): @user_script:4: @user_script: 4: -OOM command not allowed',
    'ERR no such user: -READONLY at all',
    'ERR Error running script (call to f_f00d): @user_script:4: no such user: -READONLY at all',
  ]) {
    it(`${answer}: refused`, async () => {
      const client = new Refusing(answer)
      const log = new RedisLog({ client, retry: () => 0 })
      await assert.rejects(log.append('a', { data: '1' }, wide), { code: 'ERR_LOG_REFUSED', inDoubt: false })
      assert.equal(client.connections, 1)
      await log.close()
    })
  }
})
