// Compares the product with its models in many random runs: `npx tsx spec/soak/model.ts [runs] [seed]`.
import { compareWithModel } from '../core/model.js'
import { compareLanesWithModel } from '../flow/lane-model.js'

const [runs = '100000', seed] = process.argv.slice(2)
for (const [what, compare] of Object.entries({ requests: compareWithModel, lanes: compareLanesWithModel })) {
  const began = performance.now()
  await compare(Number(runs), seed === undefined ? undefined : Number(seed))
  const took = Math.round(performance.now() - began)
  console.log(`${runs} random runs of ${what}, no difference between model and product (${took} ms)`)
}
