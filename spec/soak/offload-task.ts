import { pbkdf2Sync } from 'node:crypto'

/** Blocks for about as long as a password's hash should take. */
export default function hash(password: string): string {
  return pbkdf2Sync(password, 'salt', 100_000, 32, 'sha512').toString('hex')
}
