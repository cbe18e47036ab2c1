import { compareWithModel } from './model.js'

describe('random calls, timers and disconnects', () => {
  it('find no difference between the model and the product', () => compareWithModel(2_000))
})
