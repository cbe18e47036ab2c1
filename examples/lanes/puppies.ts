import type { Database } from './database.js'
import type { Wish } from './wish.js'

export interface Puppy {
  readonly id: number
  readonly name: string
  readonly weeks: number
  readonly coat: 'gold' | 'chocolate' | 'black' | 'cream' | 'grey'
  readonly ears: 'floppy' | 'pointed'
  readonly patch: boolean
  /** Each from 0 to 100. */
  readonly energy: number
  readonly cuddles: number
  readonly noise: number
  /** The name of the puppy that is most like it, of all that there are. */
  readonly friend: string
}

/** So many on a page. */
export const perPage = 12

const names = `Biscuit Waffle Mango Pepper Olive Pixel Noodle Pickle Maple Cosmo Juno Rolo Poppy Moss Ziggy Clover Bean
  Otis Hazel Truffle Scout Nova Peanut Fern Tofu Bramble Loki Dot Figaro Mabel Kiwi Ernie Sage Duke Luna Rufus Willow`

const words = (text: string): string => `ARRAY['${text.split(/\s+/).join("', '")}']`

/** The same puppies every time. */
export async function createPuppies(database: Database, count: number): Promise<void> {
  await database.query(`
    CREATE FUNCTION one(of text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
      SELECT of[1 + floor(random() * cardinality(of))::int]
    $$;
    CREATE TABLE puppies (
      id int PRIMARY KEY, name text, weeks int, coat text, ears text, patch boolean, energy int, cuddles int, noise int
    );
    SELECT setseed(0.42);
    INSERT INTO puppies
      SELECT n, one(${words(names)}), 8 + floor(random() * 9), one(${words('gold chocolate black cream grey')}),
        one(${words('floppy floppy pointed')}), random() < 0.4, floor(random() * 101), floor(random() * 101), floor(random() * 101)
      FROM generate_series(1, ${count}) n;
  `)
}

/**
 * Those that come nearest to the wish, and for each of them its friend: the one that is most like it.
 *
 * There is no index that knows likeness, so every puppy on the page is compared with all the others: a slow query.
 */
export async function matching(database: Database, { energy, cuddles, noise, page }: Wish): Promise<Puppy[]> {
  const rows = await database.query(
    `
    WITH page AS (
      SELECT *, (energy - $1) ^ 2 + (cuddles - $2) ^ 2 + (noise - $3) ^ 2 AS distance
      FROM puppies ORDER BY distance, id LIMIT ${perPage} OFFSET $4
    )
    SELECT page.id, page.name, weeks, coat, ears, patch, energy, cuddles, noise, friend.name AS friend
    FROM page CROSS JOIN LATERAL (
      SELECT name FROM puppies other WHERE other.id <> page.id
      ORDER BY (other.energy - page.energy) ^ 2 + (other.cuddles - page.cuddles) ^ 2 + (other.noise - page.noise) ^ 2,
        other.weeks = page.weeks DESC, other.id
      LIMIT 1
    ) AS friend
    ORDER BY distance, page.id
    `,
    [energy, cuddles, noise, (page - 1) * perPage],
  )
  return rows as Puppy[]
}
