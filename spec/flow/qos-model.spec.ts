import { compareQosWithModel } from './qos-model.js'

describe('random arrivals, ends, parks, disconnects and time under qos()', () => {
  it('find no difference between the model and the product', () => compareQosWithModel(400))
})
