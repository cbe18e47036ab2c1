import { Channel, type ChannelOptions, type Log, type Position, type Reading } from 'koa-continuation'
import { type Following, follow } from './follow.js'
import { Refusal } from './refusal.js'
import { changed, type Event, empty, isTaken, type Room, type State } from './room.js'

/** Milliseconds that somebody waits for the room to open. */
const PATIENCE = 5_000

/** The room as this server knows it: it follows the channel as everybody does. */
export class Hall {
  readonly channel: Channel
  #room: Room = empty
  #end: Position = { epoch: '', seq: 0 }
  #waiting: (() => void)[] = []
  readonly #following: Following

  constructor(log: Log, options: ChannelOptions) {
    this.channel = new Channel('room', { ...options, log })
    this.#following = follow(log, this.channel.name, 'oldest', (reading) => this.#take(reading))
  }

  /**
   * Knows the room.
   *
   * @throws {Refusal} 503 `ERR_NOT_OPEN`: not yet, for the log is away
   */
  async open(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const refusal = new Refusal(503, 'ERR_NOT_OPEN', 'The room is not open yet', { 'Retry-After': '2' })
      timer = setTimeout(reject, PATIENCE, refusal)
    })
    await Promise.race([this.#following.begun, late]).finally(() => clearTimeout(timer))
  }

  async close(): Promise<void> {
    this.#following.stop()
    await this.channel.close()
  }

  get people(): Room['people'] {
    return this.#room.people
  }

  state(): State {
    const { epoch, seq } = this.#end
    return { cursor: epoch === '' ? '0' : `${epoch}-${seq}`, ...this.#room }
  }

  /**
   * Lets somebody in, who may be here already.
   *
   * @throws {Refusal} 409 `ERR_NAME_TAKEN`
   */
  async join(id: string, name: string): Promise<State> {
    await this.open()
    if (this.people[id] === undefined && !isTaken(this.people, name)) {
      await this.publish({ event: 'join', data: { id, name, at: Date.now() } })
    }
    if (this.people[id] === undefined) throw new Refusal(409, 'ERR_NAME_TAKEN', `${name} is here already`)
    return this.state()
  }

  /** Resolves when this server has seen it, too. */
  async publish({ event, data }: Event): Promise<void> {
    const { id } = await this.channel.publish(data, { event })
    const [epoch, seq] = id.split('-')
    // what begins anew meanwhile does not hold it up
    while (this.#end.epoch === epoch && this.#end.seq < Number(seq)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #take({ messages, next, gap }: Reading): void {
    // what is missing is missing to everybody; the rest is all there is
    if (gap !== undefined) this.#room = empty
    for (const { event, data } of messages) {
      this.#room = changed(this.#room, { event, data: JSON.parse(data) } as Event)
    }
    this.#end = next
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
