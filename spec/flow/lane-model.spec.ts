import { compareLanesWithModel } from './lane-model.js'

describe('random requests, jobs, timers and disconnects in a lane', () => {
  it('find no difference between the model and the product', () => compareLanesWithModel(2_000))
})
