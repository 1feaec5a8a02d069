import { loadConfigOrExit } from "../platform/config"
import { createLogger } from "../platform/logger"
import { createTemporal } from "../platform/temporal"
import { ensureNamespace } from "./namespace"
import { applySchedules } from "./schedules"

/** `npm run schedules`: namespace, search attributes and schedules as the code wants them; safe to repeat. */
async function main(): Promise<void> {
  const config = loadConfigOrExit()
  const logger = createLogger(config, "schedules")
  const temporal = createTemporal(config)
  try {
    const client = await temporal.client()
    await ensureNamespace(client, config.TEMPORAL_NAMESPACE)
    for (const line of await applySchedules(client)) logger.info(line)
  } catch (error) {
    logger.fatal({ err: error }, `the schedules could not be applied at ${config.TEMPORAL_ADDRESS}`)
    process.exitCode = 1
  } finally {
    await temporal.close()
  }
}

void main()
