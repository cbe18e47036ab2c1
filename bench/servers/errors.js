const left = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']

/** Prints the errors of a Koa app, but for those that say that a client has left: thousands leave at once here. */
export function printErrors(app) {
  return app.on('error', (error) => {
    if (!left.includes(error.code)) console.error(error)
  })
}
