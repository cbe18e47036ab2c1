/**
 * Answers the questions of the process that started this one, and ends with it.
 *
 * @param {Record<string, (argument: any) => unknown>} answers by question
 * @param {() => void} end called last
 */
export function answer(answers, end = () => {}) {
  process.on('message', async ({ id, question, argument }) => {
    try {
      process.send({ id, answer: await answers[question](argument) })
    } catch (error) {
      process.send({ id, error: error.stack })
    }
  })
  process.on('disconnect', () => {
    end()
    process.exit()
  })
}

/** Microseconds of processor time that this process has used so far. */
export function cpu() {
  const { user, system } = process.cpuUsage()
  return user + system
}

const offset = Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000

/** Microseconds on a clock that all processes of the machine share. */
export function now() {
  return offset + performance.now() * 1000
}
