/** A response of the API that is no success, or no response at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: { field: string; message: string }[] = [],
    /** Seconds after which the API wants to be asked again. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

/** The error of a request without a response. */
export const unreachable = (): ApiError => new ApiError(0, "offline", "The server cannot be reached.");

/** The error of a response, in the API's shape or in that of the gateway. */
export async function errorOf(response: Response): Promise<ApiError> {
  const after = Number(response.headers.get("retry-after") ?? NaN);
  const retryAfter = Number.isFinite(after) ? after : null;
  try {
    const body = await response.json();
    if (body?.error?.code) {
      return new ApiError(
        response.status,
        body.error.code,
        body.error.message,
        body.error.details ?? [],
        retryAfter,
      );
    }
  } catch {
    // not JSON: the gateway's or a proxy's
  }
  const message =
    response.status === 429
      ? "Too many requests at the moment."
      : `The server answered with status ${response.status}.`;
  return new ApiError(response.status, "unexpected_response", message, [], retryAfter);
}
