import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Snippet {
  /** Where it stands: file, then the heading or the name that is explained, then which one there. */
  readonly name: string
  readonly code: string
}

/** Every block of TypeScript in the README, in docs/, and in the examples of docstrings. */
export async function snippets(): Promise<Snippet[]> {
  const found: Snippet[] = []
  const add = (place: string, code: string): void => {
    const which = found.filter(({ name }) => name.startsWith(`${place} #`)).length + 1
    found.push({ name: `${place} #${which}`, code })
  }
  const pages = [
    'README.md',
    ...(await readdir(`${root}docs`)).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ]
  for (const page of pages) {
    const text = await readFile(root + page, 'utf8')
    let heading = ''
    for (const [, title, code] of text.matchAll(/^#+ (.*)$|^```ts\n([\s\S]*?)^```$/gm)) {
      if (title !== undefined) heading = title
      else add(`${page}, ${heading}`, code as string)
    }
  }
  for (const file of await readdir(`${root}src`, { recursive: true })) {
    if (!file.endsWith('.ts')) continue
    const text = await readFile(`${root}src/${file}`, 'utf8')
    for (const [comment] of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
      const after = text.slice(text.indexOf(comment) + comment.length)
      const [, explained] = /^\s*(?:export )?(?:interface |class |function |async |get )*([\w[\].]+)/.exec(after) ?? []
      const plain = comment.replace(/^\s*\/?\*+\/? ?/gm, '')
      for (const [, code] of plain.matchAll(/```ts\n([\s\S]*?)```/g)) add(`src/${file}, ${explained}`, code as string)
    }
  }
  return found
}

/** Writes a snippet that is a whole program to a file. */
export async function fileOf({ name }: Snippet, code: string): Promise<URL> {
  const folder = `${root}.cache/snippets`
  await mkdir(folder, { recursive: true })
  const file = `${folder}/${name.replace(/\W+/g, '-')}.ts`
  await writeFile(file, code)
  return pathToFileURL(file)
}

const imports = /^import .*$/gm

/** Runs a snippet with the names of `world` at hand. What it declares itself comes first. Answers with its own names. */
export async function run(snippet: Snippet, world: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { code } = snippet
  const declared = [...code.matchAll(/^const (?:\{ (.*?) \}|(\w+))/gm)].flatMap(
    ([, several, one]) => several?.split(', ') ?? [one],
  )
  const imported = [...code.matchAll(/import (?:(\w+),? ?)?(?:\{ (.*) \} )?/g)].flatMap(([, one, several]) => [
    ...(one === undefined ? [] : [one]),
    ...(several?.split(', ') ?? []),
  ])
  const given = Object.keys(world).filter((key) => !declared.includes(key) && !imported.includes(key))
  const text = [
    ...(code.match(imports) ?? []),
    `export async function run({ ${given.join(', ')} }) {`,
    code.replace(imports, ''),
    `return { ${declared.join(', ')} }`,
    '}',
  ].join('\n')
  const file = await fileOf(snippet, text)
  const module = (await import(file.href)) as { run(world: object): Promise<Record<string, unknown>> }
  return module.run(world)
}
