import { Channel, type ChannelOptions, type Receipt } from 'koa-continuation'
import { changed, nothing, type State, type Widgets } from './state.js'

/**
 * The newest value of every widget, and the channel on which each change is a message.
 *
 * - A state is what the messages up to its cursor add up to. Who takes it, and follows the channel from its cursor, has
 *   no change twice and misses none.
 * - Changes are made one after the other. Each is one message: all of it is seen at once.
 */
export class Board {
  readonly channel: Channel
  #state: State = { cursor: '0', ...nothing }
  #made: Promise<unknown>

  constructor(initial: Widgets, options?: ChannelOptions) {
    this.channel = new Channel('widgets', options)
    this.#made = this.#make(initial)
  }

  /** The present state, with every change in it that was asked for before. */
  async state(): Promise<State> {
    await this.#made
    return this.#state
  }

  /** @param change new values, or what makes them of those that are there when its turn has come */
  change(change: Widgets | ((widgets: Widgets) => Widgets)): Promise<Receipt> {
    const making = this.#made.then(() =>
      this.#make(typeof change === 'function' ? change(this.#state.widgets) : change),
    )
    // one that fails does not stop the next
    this.#made = making.catch(() => {})
    return making
  }

  async #make(changes: Widgets): Promise<Receipt> {
    const receipt = await this.channel.publish(changes)
    this.#state = { cursor: receipt.id, ...changed(this.#state, changes) }
    return receipt
  }
}
