-- CreateEnum
CREATE TYPE "booking_status" AS ENUM ('PENDING', 'CONFIRMED', 'CANCELED');

-- CreateEnum
CREATE TYPE "booking_stage" AS ENUM ('CREATED', 'PAYMENT', 'APPROVAL', 'SETTLEMENT', 'SETTLED', 'CANCELED', 'FAILED');

-- CreateEnum
CREATE TYPE "payment_status" AS ENUM ('PENDING', 'APPROVED', 'FAILED', 'REFUNDED');

-- CreateEnum
CREATE TYPE "approval_status" AS ENUM ('PENDING', 'APPROVED', 'REJECTED', 'CANCELED');

-- CreateEnum
CREATE TYPE "approval_stage" AS ENUM ('AUTO', 'MANUAL');

-- CreateEnum
CREATE TYPE "settlement_status" AS ENUM ('PENDING', 'SETTLED', 'REVERSED');

-- CreateTable
CREATE TABLE "users" (
    "id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "bookings" (
    "id" UUID NOT NULL,
    "code" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "customer_name" TEXT NOT NULL,
    "customer_phone" TEXT NOT NULL,
    "itinerary_from" TEXT NOT NULL,
    "itinerary_to" TEXT NOT NULL,
    "depart_at" TIMESTAMPTZ(3) NOT NULL,
    "arrive_at" TIMESTAMPTZ(3) NOT NULL,
    "currency" TEXT NOT NULL DEFAULT 'KRW',
    "amount" DECIMAL(18,2) NOT NULL,
    "tax" DECIMAL(18,2) NOT NULL,
    "payment_method" TEXT NOT NULL DEFAULT 'CARD',
    "flight_no" TEXT,
    "status" "booking_status" NOT NULL DEFAULT 'PENDING',
    "stage" "booking_stage" NOT NULL DEFAULT 'CREATED',
    "cancel_requested_at" TIMESTAMPTZ(3),
    "cancel_requested_by" TEXT,
    "cancel_reason" TEXT,
    "failure" TEXT,
    "workflow_run_id" TEXT,
    "request_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "bookings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payments" (
    "id" UUID NOT NULL,
    "booking_id" UUID NOT NULL,
    "method" TEXT NOT NULL,
    "status" "payment_status" NOT NULL DEFAULT 'PENDING',
    "currency" TEXT NOT NULL DEFAULT 'KRW',
    "amount" DECIMAL(18,2) NOT NULL,
    "tax" DECIMAL(18,2) NOT NULL,
    "provider" TEXT,
    "unclear_providers" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "doubted_providers" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "charge_id" TEXT,
    "authorization_no" TEXT,
    "failure" TEXT,
    "approved_at" TIMESTAMPTZ(3),
    "refunded_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "payments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "approvals" (
    "id" UUID NOT NULL,
    "booking_id" UUID NOT NULL,
    "title" TEXT NOT NULL,
    "requester_id" TEXT NOT NULL,
    "status" "approval_status" NOT NULL DEFAULT 'PENDING',
    "stage" "approval_stage" NOT NULL,
    "reason" TEXT,
    "decided_by" TEXT,
    "decided_at" TIMESTAMPTZ(3),
    "due_at" TIMESTAMPTZ(3),
    "reminded_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "approvals_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "settlements" (
    "id" UUID NOT NULL,
    "booking_id" UUID NOT NULL,
    "status" "settlement_status" NOT NULL DEFAULT 'PENDING',
    "amount" DECIMAL(18,2) NOT NULL,
    "currency" TEXT NOT NULL DEFAULT 'KRW',
    "original_amount" DECIMAL(18,2) NOT NULL,
    "original_currency" TEXT NOT NULL,
    "fx_rate" DECIMAL(18,6) NOT NULL,
    "fx_source" TEXT NOT NULL,
    "tax" DECIMAL(18,2) NOT NULL,
    "method" TEXT NOT NULL,
    "approval_id" UUID NOT NULL,
    "authorization_no" TEXT NOT NULL,
    "settled_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "settlements_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "files" (
    "id" UUID NOT NULL,
    "booking_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "content_type" TEXT NOT NULL,
    "size" INTEGER NOT NULL,
    "sha256" TEXT NOT NULL,
    "uploaded_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "files_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "id" UUID NOT NULL,
    "principal" TEXT NOT NULL,
    "method" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "request_hash" TEXT NOT NULL,
    "status" INTEGER NOT NULL,
    "response_body" JSON,
    "headers" JSON,
    "booking_code" TEXT,
    "workflow_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "outbox" (
    "seq" BIGSERIAL NOT NULL,
    "event_id" UUID NOT NULL,
    "topic" TEXT NOT NULL,
    "aggregate" TEXT NOT NULL,
    "owner_id" TEXT,
    "slot" SMALLINT NOT NULL,
    "payload" JSONB NOT NULL,
    "request_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "dispatched_at" TIMESTAMPTZ(3),
    "delivered_at" TIMESTAMPTZ(3),
    "dead_at" TIMESTAMPTZ(3),
    "last_error" TEXT,

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "outbox_deliveries" (
    "seq" BIGINT NOT NULL,
    "sink" TEXT NOT NULL,
    "endpoint" TEXT NOT NULL DEFAULT '',
    "aggregate" TEXT NOT NULL,
    "slot" SMALLINT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3),
    "retrying" BOOLEAN NOT NULL DEFAULT false,
    "delivered_at" TIMESTAMPTZ(3),
    "dead_at" TIMESTAMPTZ(3),
    "last_error" TEXT,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_deliveries_pkey" PRIMARY KEY ("seq","sink","endpoint")
);

-- CreateTable
CREATE TABLE "inbox" (
    "consumer" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "inbox_pkey" PRIMARY KEY ("consumer","event_id")
);

-- CreateTable
CREATE TABLE "audit_logs" (
    "id" UUID NOT NULL,
    "actor_id" TEXT,
    "action" TEXT NOT NULL,
    "entity" TEXT NOT NULL,
    "entity_id" TEXT,
    "detail" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audit_logs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "leases" (
    "name" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "epoch" BIGINT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "leases_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE UNIQUE INDEX "bookings_code_key" ON "bookings"("code");

-- CreateIndex
CREATE INDEX "bookings_user_id_status_idx" ON "bookings"("user_id", "status");

-- CreateIndex
CREATE INDEX "bookings_created_at_id_idx" ON "bookings"("created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "payments_booking_id_key" ON "payments"("booking_id");

-- CreateIndex
CREATE INDEX "payments_booking_id_status_idx" ON "payments"("booking_id", "status");

-- CreateIndex
CREATE UNIQUE INDEX "approvals_booking_id_key" ON "approvals"("booking_id");

-- CreateIndex
CREATE INDEX "approvals_status_id_idx" ON "approvals"("status", "id");

-- CreateIndex
CREATE UNIQUE INDEX "settlements_booking_id_key" ON "settlements"("booking_id");

-- CreateIndex
CREATE INDEX "settlements_status_id_idx" ON "settlements"("status", "id");

-- CreateIndex
CREATE INDEX "settlements_approval_id_idx" ON "settlements"("approval_id");

-- CreateIndex
CREATE INDEX "files_booking_id_id_idx" ON "files"("booking_id", "id");

-- CreateIndex
CREATE INDEX "idempotency_keys_key_idx" ON "idempotency_keys"("key");

-- CreateIndex
CREATE INDEX "idempotency_keys_expires_at_idx" ON "idempotency_keys"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "idempotency_keys_principal_method_path_key_key" ON "idempotency_keys"("principal", "method", "path", "key");

-- CreateIndex
CREATE UNIQUE INDEX "outbox_event_id_key" ON "outbox"("event_id");

-- CreateIndex
CREATE INDEX "outbox_aggregate_seq_idx" ON "outbox"("aggregate", "seq");

-- CreateIndex
CREATE INDEX "outbox_topic_seq_idx" ON "outbox"("topic", "seq");

-- CreateIndex
CREATE INDEX "inbox_created_at_idx" ON "inbox"("created_at");

-- CreateIndex
CREATE INDEX "audit_logs_entity_entity_id_id_idx" ON "audit_logs"("entity", "entity_id", "id");

-- CreateIndex
CREATE INDEX "audit_logs_actor_id_id_idx" ON "audit_logs"("actor_id", "id");

-- AddForeignKey
ALTER TABLE "bookings" ADD CONSTRAINT "bookings_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "payments" ADD CONSTRAINT "payments_booking_id_fkey" FOREIGN KEY ("booking_id") REFERENCES "bookings"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_booking_id_fkey" FOREIGN KEY ("booking_id") REFERENCES "bookings"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "approvals" ADD CONSTRAINT "approvals_requester_id_fkey" FOREIGN KEY ("requester_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "settlements" ADD CONSTRAINT "settlements_booking_id_fkey" FOREIGN KEY ("booking_id") REFERENCES "bookings"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "settlements" ADD CONSTRAINT "settlements_approval_id_fkey" FOREIGN KEY ("approval_id") REFERENCES "approvals"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "files" ADD CONSTRAINT "files_booking_id_fkey" FOREIGN KEY ("booking_id") REFERENCES "bookings"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "outbox_deliveries" ADD CONSTRAINT "outbox_deliveries_seq_fkey" FOREIGN KEY ("seq") REFERENCES "outbox"("seq") ON DELETE CASCADE ON UPDATE RESTRICT;
-- What the schema file cannot say. Each constraint has a name, so that an error tells which rule was broken.

ALTER TABLE "users" ADD CONSTRAINT "users_id_given" CHECK (btrim("id") <> '');

ALTER TABLE "bookings"
  ADD CONSTRAINT "bookings_code_form" CHECK ("code" ~ '^[A-Za-z0-9-]{6,40}$'),
  ADD CONSTRAINT "bookings_customer_name_given" CHECK (btrim("customer_name") <> '' AND char_length("customer_name") <= 100),
  ADD CONSTRAINT "bookings_customer_phone_form" CHECK ("customer_phone" ~ '^[0-9+() -]{7,20}$'),
  ADD CONSTRAINT "bookings_itinerary_given" CHECK (
    btrim("itinerary_from") <> '' AND char_length("itinerary_from") <= 100
    AND btrim("itinerary_to") <> '' AND char_length("itinerary_to") <= 100
  ),
  ADD CONSTRAINT "bookings_arrive_after_depart" CHECK ("arrive_at" > "depart_at"),
  ADD CONSTRAINT "bookings_currency_form" CHECK ("currency" ~ '^[A-Z]{3}$'),
  ADD CONSTRAINT "bookings_amount_positive" CHECK ("amount" > 0),
  ADD CONSTRAINT "bookings_tax_within_amount" CHECK ("tax" >= 0 AND "tax" < "amount"),
  ADD CONSTRAINT "bookings_version_positive" CHECK ("version" > 0),
  -- CONFIRMED and SETTLED become visible in one commit (api.md section 3).
  ADD CONSTRAINT "bookings_confirmed_is_settled" CHECK (("status" = 'CONFIRMED') = ("stage" = 'SETTLED')),
  ADD CONSTRAINT "bookings_canceled_agrees" CHECK (("status" = 'CANCELED') = ("stage" = 'CANCELED')),
  ADD CONSTRAINT "bookings_cancel_request_whole" CHECK (
    ("cancel_requested_at" IS NULL) = ("cancel_requested_by" IS NULL)
    AND ("cancel_requested_at" IS NULL) = ("cancel_reason" IS NULL)
  );

ALTER TABLE "payments"
  ADD CONSTRAINT "payments_amount_positive" CHECK ("amount" > 0),
  ADD CONSTRAINT "payments_tax_within_amount" CHECK ("tax" >= 0 AND "tax" < "amount"),
  ADD CONSTRAINT "payments_currency_form" CHECK ("currency" ~ '^[A-Z]{3}$'),
  ADD CONSTRAINT "payments_charge_known" CHECK (
    "status" NOT IN ('APPROVED', 'REFUNDED')
    OR ("provider" IS NOT NULL AND "charge_id" IS NOT NULL AND "authorization_no" IS NOT NULL AND "approved_at" IS NOT NULL)
  ),
  ADD CONSTRAINT "payments_refund_known" CHECK (("status" = 'REFUNDED') = ("refunded_at" IS NOT NULL)),
  -- A payment is never closed as failed while some provider may hold its money.
  ADD CONSTRAINT "payments_failed_is_clear" CHECK ("status" <> 'FAILED' OR cardinality("unclear_providers") = 0);

ALTER TABLE "approvals"
  ADD CONSTRAINT "approvals_title_given" CHECK (btrim("title") <> ''),
  ADD CONSTRAINT "approvals_decision_known" CHECK (
    ("status" = 'PENDING') = ("decided_at" IS NULL) AND ("status" = 'PENDING') = ("decided_by" IS NULL)
  ),
  ADD CONSTRAINT "approvals_rejection_reasoned" CHECK ("status" <> 'REJECTED' OR "reason" IS NOT NULL),
  ADD CONSTRAINT "approvals_manual_has_deadline" CHECK ("stage" = 'AUTO' OR "due_at" IS NOT NULL);

ALTER TABLE "settlements"
  ADD CONSTRAINT "settlements_amount_positive" CHECK ("amount" > 0 AND "original_amount" > 0),
  ADD CONSTRAINT "settlements_currency_krw" CHECK ("currency" = 'KRW' AND "original_currency" ~ '^[A-Z]{3}$'),
  ADD CONSTRAINT "settlements_fx_rate_positive" CHECK ("fx_rate" > 0),
  ADD CONSTRAINT "settlements_tax_within_amount" CHECK ("tax" >= 0 AND "tax" < "amount"),
  ADD CONSTRAINT "settlements_settled_at_known" CHECK ("status" = 'PENDING' OR "settled_at" IS NOT NULL);

ALTER TABLE "files"
  ADD CONSTRAINT "files_name_given" CHECK (btrim("name") <> '' AND char_length("name") <= 255),
  ADD CONSTRAINT "files_size_limit" CHECK ("size" BETWEEN 1 AND 10485760),
  ADD CONSTRAINT "files_content_type_known" CHECK ("content_type" IN ('application/pdf', 'image/png', 'image/jpeg')),
  ADD CONSTRAINT "files_sha256_form" CHECK ("sha256" ~ '^[0-9a-f]{64}$');

ALTER TABLE "idempotency_keys"
  ADD CONSTRAINT "idempotency_keys_key_length" CHECK (char_length("key") BETWEEN 16 AND 128),
  ADD CONSTRAINT "idempotency_keys_hash_form" CHECK ("request_hash" ~ '^[0-9a-f]{64}$'),
  ADD CONSTRAINT "idempotency_keys_expire_later" CHECK ("expires_at" > "created_at");

ALTER TABLE "outbox"
  ADD CONSTRAINT "outbox_slot_range" CHECK ("slot" BETWEEN 0 AND 63),
  ADD CONSTRAINT "outbox_delivered_or_dead" CHECK ("delivered_at" IS NULL OR "dead_at" IS NULL);

ALTER TABLE "outbox_deliveries"
  ADD CONSTRAINT "outbox_deliveries_sink_known" CHECK ("sink" IN ('flow', 'message', 'realtime', 'webhook')),
  ADD CONSTRAINT "outbox_deliveries_attempts_counted" CHECK ("attempts" >= 0),
  ADD CONSTRAINT "outbox_deliveries_delivered_or_dead" CHECK ("delivered_at" IS NULL OR "dead_at" IS NULL),
  ADD CONSTRAINT "outbox_deliveries_closed_waits_for_nothing" CHECK (
    ("delivered_at" IS NULL AND "dead_at" IS NULL) OR ("next_attempt_at" IS NULL AND NOT "retrying")
  );

ALTER TABLE "leases" ADD CONSTRAINT "leases_epoch_positive" CHECK ("epoch" > 0);

-- What the relay looks for: few rows, however many are kept.
CREATE INDEX "outbox_undispatched" ON "outbox" ("seq") WHERE "dispatched_at" IS NULL AND "dead_at" IS NULL;
CREATE INDEX "outbox_undelivered" ON "outbox" ("seq") WHERE "delivered_at" IS NULL AND "dead_at" IS NULL;
CREATE INDEX "outbox_dead" ON "outbox" ("seq") WHERE "dead_at" IS NOT NULL;
CREATE INDEX "outbox_deliveries_open" ON "outbox_deliveries" ("sink", "endpoint", "seq")
  WHERE "delivered_at" IS NULL AND "dead_at" IS NULL;
CREATE INDEX "outbox_deliveries_retrying" ON "outbox_deliveries" ("sink", "endpoint", "aggregate") WHERE "retrying";

-- The time in a UUID of version 7 (RFC 9562, section 5.7). Rows that are listed by id take their time of creation from
-- it, so that both orders are one.
CREATE FUNCTION "uuid_time"(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT to_timestamp(('x' || left(translate(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- The audit log is append-only: rows may be pruned by age, never altered.
CREATE FUNCTION "audit_logs_refuse_update"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_logs is append-only';
END $$;
CREATE TRIGGER "audit_logs_append_only" BEFORE UPDATE ON "audit_logs"
  FOR EACH ROW EXECUTE FUNCTION "audit_logs_refuse_update"();
