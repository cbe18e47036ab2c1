import { Held } from '../../src/hold/held.js'

/** Runs `act` with a list of those that are taken out to be answered meanwhile, in their order. */
export async function withTaken(act: (taken: Held[]) => Promise<void>): Promise<void> {
  const taken: Held[] = []
  const { take } = Held.prototype
  Held.prototype.take = function () {
    taken.push(this)
    return take.call(this)
  }
  try {
    await act(taken)
  } finally {
    Held.prototype.take = take
  }
}
