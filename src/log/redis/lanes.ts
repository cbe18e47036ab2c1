import { LogError } from '../errors.js'
import type { Backlog, Message, Position } from '../log.js'
import type { Calling, Command } from './commands.js'
import { type Patience, Waiting } from './patience.js'

/** A message on its way. There may be very many: so each is one object. */
class Sending extends Waiting {
  isOver = false
  readonly lane: Lane
  readonly message: Message
  readonly backlog: Backlog
  readonly resolve: (position: Position) => void
  readonly reject: (error: Error) => void

  constructor(
    lane: Lane,
    message: Message,
    backlog: Backlog,
    resolve: (position: Position) => void,
    reject: (error: Error) => void,
  ) {
    super()
    this.lane = lane
    this.message = message
    this.backlog = backlog
    this.resolve = resolve
    this.reject = reject
  }

  expire(): void {
    this.lane.expire(this)
  }
}

interface Lane {
  readonly channel: string
  readonly expire: (sending: Sending) => void
  queue: Sending[]
  /** On their way, and not answered. */
  batch: readonly Sending[]
  calling: Calling<[epoch: string, start: number]> | undefined
  isDue: boolean
  /** Some in the queue have been given up. */
  hasOver: boolean
}

export interface LanesOptions {
  readonly patience: Patience
  /** Messages that may wait at once, in all channels. */
  readonly queue: number
  /** What appends a batch, the same one twice as well as once. */
  readonly command: (channel: string, batch: number, messages: readonly Message[], backlog: Backlog) => Command
  readonly call: (command: Command) => Calling<[epoch: string, start: number]>
  /** Whether there is somebody to send to. */
  readonly isOpen: () => boolean
  /** @param position of the last of them */
  readonly appended: (channel: string, position: Position, messages: readonly Message[], backlog: Backlog) => void
  /** Nothing of the channel is on its way any more, whatever came of it. */
  readonly done: (channel: string) => void
  readonly expired: (inDoubt: boolean) => LogError
}

/** What is sent at once; Redis does nothing else meanwhile. */
const MOST_MESSAGES = 256
const MOST_LENGTH = 1_048_576

/** Lanes that are kept for the next message. */
const KEPT = 1_000

/**
 * Messages on their way to Redis. Of each channel one batch is on its way at a time, and what comes meanwhile makes the next:
 * so they stay in order whatever is sent again, and the more there are, the less each costs.
 */
export class Lanes {
  readonly #options: LanesOptions
  readonly #lanes = new Map<string, Lane>()
  #size = 0
  #batches = 0

  constructor(options: LanesOptions) {
    this.#options = options
  }

  /** How many messages have no answer. */
  get size(): number {
    return this.#size
  }

  /** Something of the channel is on its way: what came of it is known soon. */
  isSending(channel: string): boolean {
    return this.#lanes.get(channel)?.calling !== undefined
  }

  append(channel: string, message: Message, backlog: Backlog): Promise<Position> {
    const { queue, patience } = this.#options
    if (this.#size >= queue) {
      return Promise.reject(new LogError('ERR_LOG_FULL', `Cannot append another message: ${this.#size} already wait`))
    }
    const lane = this.#lane(channel)
    return new Promise((resolve, reject) => {
      const sending = new Sending(lane, message, backlog, resolve, reject)
      patience.add(sending)
      this.#size++
      lane.queue.push(sending)
      this.#next(lane)
    })
  }

  /** There is somebody to send to again. */
  opened(): void {
    for (const lane of this.#lanes.values()) this.#next(lane)
  }

  #lane(channel: string): Lane {
    const known = this.#lanes.get(channel)
    if (known !== undefined) return known
    const expire = (sending: Sending): void => this.#expire(lane, sending)
    const lane: Lane = { channel, expire, queue: [], batch: [], calling: undefined, isDue: false, hasOver: false }
    this.#lanes.set(channel, lane)
    return lane
  }

  /** Soon: what is appended in one go goes out in one batch. */
  #next(lane: Lane): void {
    if (lane.isDue || lane.calling !== undefined) return
    lane.isDue = true
    queueMicrotask(() => {
      lane.isDue = false
      if (lane.calling === undefined) this.#send(lane)
    })
  }

  #send(lane: Lane): void {
    const { call, command, isOpen } = this.#options
    if (lane.hasOver) lane.queue = lane.queue.filter(({ isOver }) => !isOver)
    lane.hasOver = false
    if (lane.queue.length === 0 && this.#lanes.size > KEPT) this.#lanes.delete(lane.channel)
    if (lane.queue.length === 0 || !isOpen()) return
    const batch = take(lane)
    const messages = batch.map(({ message }) => message)
    const { backlog } = batch[0] as Sending
    const calling = call(command(lane.channel, ++this.#batches, messages, backlog))
    lane.batch = batch
    lane.calling = calling
    calling.reply.then(
      ([epoch, start]) => {
        this.#options.appended(lane.channel, { epoch, seq: start + batch.length - 1 }, messages, backlog)
        let seq = start
        for (const sending of batch) {
          if (this.#end(sending)) sending.resolve({ epoch, seq })
          seq++
        }
        this.#done(lane, calling)
      },
      (error: Error) => {
        for (const sending of batch) if (this.#end(sending)) sending.reject(error)
        this.#done(lane, calling)
      },
    )
  }

  #done(lane: Lane, calling: unknown): void {
    if (lane.calling !== calling) return
    lane.calling = undefined
    lane.batch = []
    this.#options.done(lane.channel)
    this.#next(lane)
  }

  #expire(lane: Lane, sending: Sending): void {
    const isSent = lane.batch.includes(sending)
    if (!this.#end(sending)) return
    lane.hasOver ||= !isSent
    sending.reject(this.#options.expired(isSent && lane.calling?.isSaid === true))
    if (!isSent || !lane.batch.every(({ isOver }) => isOver)) return
    // nobody waits for it: whoever wants to sends it anew
    lane.calling?.cancel()
    this.#done(lane, lane.calling)
  }

  #end(sending: Sending): boolean {
    if (sending.isOver) return false
    sending.isOver = true
    this.#size--
    this.#options.patience.delete(sending)
    return true
  }
}

/** The first ones, of one backlog. */
function take(lane: Lane): Sending[] {
  const { queue } = lane
  const [first] = queue
  let length = 0
  let count = 0
  for (const { message, backlog } of queue) {
    length += message.data.length
    if (count > 0 && (length > MOST_LENGTH || count === MOST_MESSAGES || !same(backlog, first?.backlog))) break
    count++
  }
  if (count < queue.length) return queue.splice(0, count)
  lane.queue = []
  return queue
}

function same(one: Backlog, other: Backlog | undefined): boolean {
  return one === other || (one.messages === other?.messages && one.bytes === other.bytes && one.age === other.age)
}
