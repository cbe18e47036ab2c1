/** A client of node-redis, as far as the log uses it. */
export interface RedisClient {
  readonly options?: { readonly socket?: object } | undefined
  duplicate(overrides?: object): RedisClient
  connect(): Promise<unknown>
  sendCommand(args: readonly string[]): Promise<unknown>
  destroy(): void
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: () => void): unknown
}

/**
 * What is different about the log's own connections: they fail at once, and are opened anew by whoever knows what has to
 * be asked again; they notice a peer that is gone; and answers come as they are.
 */
export function overrides(client: RedisClient, heartbeat: number): object {
  return {
    socket: { ...client.options?.socket, reconnectStrategy: false, socketTimeout: 3 * heartbeat },
    pingInterval: heartbeat,
    disableOfflineQueue: true,
    commandsQueueMaxLength: undefined,
    // a limit of its own for each command would cost a timer each
    commandOptions: { timeout: undefined },
    clientSideCache: undefined,
    emitInvalidate: false,
  }
}
