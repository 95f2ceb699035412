/** Those who want to know that a connection has ended. */
export class CloseListeners {
  readonly #listeners = new Set<() => void>()
  #ended = false

  /** As `Monitor.onClose`. */
  add(listener: () => void): () => void {
    if (this.#ended) listener()
    else this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Tells them all, once. */
  end(): void {
    this.#ended = true
    const told = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of told) listener()
  }
}
