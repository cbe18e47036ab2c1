import { setImmediate } from 'node:timers/promises'

export interface Size {
  readonly width: number
  readonly height: number
}

const STEPS = 120
/** Rows that are drawn before others have their turn. */
const ROWS = 8

/** Draws a Julia set, another for each seed, as a BMP. It takes as long as the processor takes. */
export async function draw(seed: number, { width, height }: Size): Promise<Buffer> {
  const angle = (seed * 2_654_435_761) % 6_283
  const [cx, cy] = [0.7885 * Math.cos(angle / 1_000), 0.7885 * Math.sin(angle / 1_000)]
  const rowBytes = (width * 3 + 3) & ~3
  const file = Buffer.alloc(54 + rowBytes * height)
  writeHead(file, width, height)
  for (let y = 0; y < height; y++) {
    if (y % ROWS === 0) await setImmediate()
    for (let x = 0; x < width; x++) {
      const shade = Math.round((255 * stepsOf((3 * x) / width - 1.5, (2 * y) / height - 1, cx, cy)) / STEPS)
      const at = 54 + y * rowBytes + x * 3
      file[at] = shade
      file[at + 1] = (shade * shade) >> 8
      file[at + 2] = 255 - shade
    }
  }
  return file
}

/** After how many steps z² + c leaves the circle. */
function stepsOf(zx: number, zy: number, cx: number, cy: number): number {
  let steps = 0
  while (zx * zx + zy * zy < 4 && steps < STEPS) {
    const next = zx * zx - zy * zy + cx
    zy = 2 * zx * zy + cy
    zx = next
    steps++
  }
  return steps
}

function writeHead(file: Buffer, width: number, height: number): void {
  file.write('BM')
  file.writeUInt32LE(file.length, 2)
  file.writeUInt32LE(54, 10)
  file.writeUInt32LE(40, 14)
  file.writeInt32LE(width, 18)
  file.writeInt32LE(height, 22)
  file.writeUInt16LE(1, 26)
  file.writeUInt16LE(24, 28)
}
