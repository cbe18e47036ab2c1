/** Whoever keeps a continuation while its suspension is undecided. */
export interface Holder {
  /** The suspension was decided or the request is over: let go of it. */
  letGo(): void
}

/** Nearly always there is one, and then it costs nothing to keep. */
export type Holders = Holder | readonly Holder[] | undefined

const none: readonly Holder[] = []

export function each(holders: Holders): readonly Holder[] {
  if (holders === undefined) return none
  return Array.isArray(holders) ? holders : [holders as Holder]
}

export function withHolder(holders: Holders, holder: Holder): Holders {
  if (holders === undefined) return holder
  return Array.isArray(holders) ? [...holders, holder] : [holders as Holder, holder]
}

/** @param but has let go already */
export function letGo(holders: Holders, but: Holder | undefined): void {
  if (Array.isArray(holders)) {
    for (const holder of holders) if (holder !== but) holder.letGo()
  } else if (holders !== but) (holders as Holder | undefined)?.letGo()
}
