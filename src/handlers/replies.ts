// The usual answers: a page, and JSON.

export function page(body: string) {
  return { status: 200, type: 'text/html', body } as const;
}

export function json<T>(body: T) {
  return { status: 200, type: 'application/json', body } as const;
}
