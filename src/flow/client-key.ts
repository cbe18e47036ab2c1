import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'

/** Longer names are kept as a digest: who the client is may be what a header says, and headers are long. */
const LONGEST = 64

/** What a client is kept under: its name, in no more memory than a name takes. */
export function keyOf(client: string): string {
  return client.length <= LONGEST ? client : createHash('sha256').update(client).digest('base64')
}

/** Some proxies write the port beside the address, and that changes from request to request. */
const withPort = /^(?:(\d+\.\d+\.\d+\.\d+)|\[([^\]]*)\]):\d+$/

/**
 * Who stands behind an address: of IPv6 it is the first 64 bits, for these are one household's or one machine's, and the
 * other 64 are its own to choose.
 */
export function clientOfAddress(written: string): string {
  const [, v4, v6] = withPort.exec(written) ?? []
  const address = v4 ?? v6 ?? written
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1] as string
  const [before = '', after] = address.split('::')
  const groups = groupsOf(before)
  const rest = groupsOf(after ?? '')
  while (groups.length + rest.length < 8) groups.push('0')
  const network = [...groups, ...rest].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}

function groupsOf(part: string): string[] {
  return part === '' ? [] : part.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : group))
}
