/** What a request or a message is refused for. Its `status` is that of the answer, its `code` tells it apart. */
export class ChannelError extends Error {
  override readonly name = 'ChannelError'
  readonly expose: boolean = true
  readonly code: string
  readonly status: number

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.code = code
  }
}
