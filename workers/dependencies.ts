import { hostname } from "node:os"
import type { Client } from "@temporalio/client"
import { createBookingActivities } from "../activities/booking"
import { createCleanupActivities } from "../activities/cleanup"
import { createMessageSink } from "../activities/message"
import { createOutboxActivities } from "../activities/outbox"
import { createOutboxMetrics } from "../activities/outbox.metrics"
import { createFlowSink } from "../activities/outbox.sinks"
import { createHandOver } from "../activities/outbox.start"
import { createAlertClient } from "../clients/alert"
import { createAttemptMetrics } from "../clients/http.metrics"
import { createMessageClient } from "../clients/message"
import { createPaymentClient } from "../clients/payment"
import type { Config } from "../platform/config"
import { createCrashPoints } from "../platform/crash-points"
import type { Logger } from "../platform/logger"
import type { Metrics } from "../platform/metrics"
import type { Postgres } from "../platform/postgres"
import { createOutboxListener, createOutboxNotifier } from "../store/outbox.notify"

type Parts = {
  readonly config: Config
  readonly logger: Logger
  readonly metrics: Metrics
  readonly postgres: Postgres
  /** For what activities ask of Temporal: starting flows, handing deliveries over. */
  readonly client: Client
  /** Aborts when the process is told to end. */
  readonly stopping: AbortSignal
}

const MESSAGE_PACE_MS = 40
/** A message is no hurry, and its sink is a lane of its own: it may take as long as the provider's time-out. */
const MESSAGE_TIMEOUT_MARGIN_MS = 500

/** Wires the activities of every queue to their stores and clients. `close` ends the clients' connections. */
export function createActivities({ config, logger, metrics, postgres, client, stopping }: Parts) {
  const { pool } = postgres
  const { providers } = config
  const calls = { onAttempt: createAttemptMetrics(metrics.registry) }
  const passing = createCrashPoints(config)
  const notifier = createOutboxNotifier(pool, logger)
  const listener = createOutboxListener(config.DATABASE_URL, logger)
  const payments = {
    payment_primary: createPaymentClient("payment_primary", providers.payment_primary, calls),
    payment_secondary: createPaymentClient("payment_secondary", providers.payment_secondary, calls),
  }
  const email = createMessageClient("email", providers.email, calls)
  const alerts = createAlertClient(providers.alerts, calls)
  const deliverMessage = createMessageSink({ pool, email, alerts, operatorEmail: config.OPERATOR_EMAIL })
  const timeoutMs = providers.email.timeoutMs + MESSAGE_TIMEOUT_MARGIN_MS

  const outbox = createOutboxActivities({
    pool,
    listener,
    notifier,
    logger,
    stopping,
    passing,
    holder: `${hostname()}:${process.pid}`,
    shards: config.OUTBOX_SHARDS,
    maxAttempts: config.OUTBOX_MAX_ATTEMPTS,
    retryInitialMs: config.OUTBOX_RETRY_INITIAL,
    metrics: createOutboxMetrics(metrics.registry),
    alert: (input) => alerts.alert(input),
    handOver: createHandOver(client, config.OUTBOX_RETRY_INITIAL),
    sinks: {
      flow: createFlowSink({ client, config, db: pool }),
      message: { deliver: deliverMessage, timeoutMs, paceMs: MESSAGE_PACE_MS, retriedBy: "workflow" },
    },
  })

  return {
    activities: {
      booking: createBookingActivities({
        pool,
        payments,
        config,
        now: () => new Date(),
        passing,
        committed: () => notifier.wake(),
      }),
      outbox,
      ops: createCleanupActivities({ pool, config }),
    },
    async close(): Promise<void> {
      await listener.close()
      await notifier.idle()
      for (const part of [payments.payment_primary, payments.payment_secondary, email, alerts]) part.close()
    },
  }
}

export type QueueActivities = ReturnType<typeof createActivities>["activities"]
