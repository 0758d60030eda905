/** How an endpoint is picked from a pool. `peak_ewma` and `least_request` take the better of two drawn at random. */
export type Algorithm = 'peak_ewma' | 'least_request' | 'round_robin' | 'random' | 'ring_hash';
