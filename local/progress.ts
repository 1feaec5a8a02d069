const EVERY_MS = 5_000

/** Tells that something long begins, still runs, and how long it took. */
export async function withProgress<T>(
  title: string,
  log: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const started = Date.now()
  const seconds = (): string => ((Date.now() - started) / 1_000).toFixed(1)
  log(`${title} …`)
  const timer = setInterval(() => log(`${title}: ${seconds()} s so far …`), EVERY_MS)
  try {
    const result = await work()
    log(`${title}: done in ${seconds()} s`)
    return result
  } finally {
    clearInterval(timer)
  }
}
