import { readdirSync, readFileSync } from 'node:fs'

/** The process and those it started. */
function family(pid: number): number[] {
  const children = text(`/proc/${pid}/task/${pid}/children`).trim()
  return children === '' ? [pid] : [pid, ...children.split(' ').map(Number).flatMap(family)]
}

/** What goes away while it is read was not there. */
function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Microseconds of processor time that a process and its children have used, every thread of them. */
export function cpuOf(pid: number): number {
  let nanoseconds = 0
  for (const one of family(pid)) {
    let threads: string[] = []
    try {
      threads = readdirSync(`/proc/${one}/task`)
    } catch {}
    for (const thread of threads) nanoseconds += Number(text(`/proc/${one}/task/${thread}/schedstat`).split(' ')[0])
  }
  return nanoseconds / 1000
}

/** Bytes of memory that a process and its children have resident. */
export function residentOf(pid: number): number {
  let kilobytes = 0
  for (const one of family(pid)) kilobytes += Number(/^Rss:\s+(\d+)/m.exec(text(`/proc/${one}/smaps_rollup`))?.[1] ?? 0)
  return kilobytes * 1024
}
