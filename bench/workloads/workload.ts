import type { Plan } from '../plan.js'
import type { Way, WorkloadName } from '../ways.js'

/** Figures by name, of one line of a table in one round. */
export type Figures = Record<string, number>

export interface Sample {
  readonly workload: WorkloadName
  /** How many clients, or messages a second, where one workload has several tables. */
  readonly size: number
  /** The name of a way, or of what else has a line. */
  readonly line: string
  readonly round: number
  readonly figures: Figures
}

export interface Column {
  readonly name: string
  readonly title: string
  readonly digits: number
  /** More is better. */
  readonly more?: boolean
  /** Stands by itself, without a ratio to the first line. */
  readonly bare?: boolean
}

export interface Workload {
  readonly name: WorkloadName
  readonly title: string
  /** What is done, for whoever reads the table. */
  readonly about: (plan: Plan) => string
  /** The heading of one of its tables. */
  readonly heading?: (size: number) => string
  readonly columns: readonly Column[]
  /** Lines that are no ways, by name. */
  readonly lines?: Readonly<Record<string, string>>
  /** One round: everybody once, in this order. */
  round(ways: readonly Way[], plan: Plan): AsyncIterable<Pick<Sample, 'line' | 'size' | 'figures'>>
}
