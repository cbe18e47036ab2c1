import { parseArgs } from 'node:util'

export const usage = `Usage: npm run hanging -- [--port 3000] [--timeout 60000]

  --port     where to listen on 127.0.0.1, 0 for any free port; default $PORT, else 3000
  --timeout  milliseconds that a request hangs at most, 0 for ever; default 60000
  --help     this
`

export interface Settings {
  port: number
  timeout: number
  help: boolean
}

/** @throws {TypeError | RangeError} for an option that is not known, or no whole number in its range */
export function settings(args = process.argv.slice(2), env = process.env): Settings {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: env['PORT'] ?? '3000' },
      timeout: { type: 'string', default: '60000' },
      help: { type: 'boolean', default: false },
    },
  })
  const year = 365 * 24 * 3_600_000
  return {
    port: wholeNumber('The port', values.port, 65_535),
    timeout: wholeNumber('The timeout', values.timeout, year),
    help: values.help,
  }
}

function wholeNumber(what: string, text: string, most: number): number {
  if (/^\d+$/.test(text) && Number(text) <= most) return Number(text)
  throw new RangeError(`${what} must be a whole number between 0 and ${most}: got '${text}'`)
}
