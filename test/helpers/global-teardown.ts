/** Stops the stack that the global set-up started, and removes its folder. */
export default async function globalTeardown(): Promise<void> {
  await globalThis.stopTestStack?.()
}
