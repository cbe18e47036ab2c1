// Compares the product with its model in many random runs: `npx tsx spec/soak/model.ts [runs] [seed]`.
import { compareWithModel } from '../core/model.js'

const [runs = '100000', seed] = process.argv.slice(2)
const began = performance.now()
compareWithModel(Number(runs), seed === undefined ? undefined : Number(seed))
console.log(
  `${runs} random runs, no difference between model and product (${Math.round(performance.now() - began)} ms)`,
)
