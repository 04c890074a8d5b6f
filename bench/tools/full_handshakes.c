/*
 * Makes wrk open every TLS connection with a full handshake, or, with KEEP_TLS_SESSIONS in the environment, counts how many
 * were full.
 *
 * wrk keeps one SSL object per connection and calls SSL_clear before it connects again. SSL_clear keeps the session, so
 * the next handshake resumes it by the server's ticket; a benchmark of "new TLS connections" would measure resumption.
 * Loaded into wrk (never into a proxy) by LD_PRELOAD, this drops the session and counts resumptions that happened all the
 * same: bench/run voids a round that reports any. As OpenSSL's clients do, wrk uses a ticket of TLS 1.3 once: a server that
 * gives none on a resumption is resumed every other time only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct ssl_st SSL;
typedef struct ssl_session_st SSL_SESSION;

int SSL_is_init_finished(const SSL* ssl);
int SSL_session_reused(const SSL* ssl);
int SSL_set_session(SSL* ssl, SSL_SESSION* session);

static unsigned long handshakes;
static unsigned long resumed;

__attribute__((destructor)) static void report(void) {
  fprintf(stderr, "full_handshakes: handshakes %lu resumed %lu\n", handshakes, resumed);
}

int SSL_clear(SSL* ssl) {
  static int (*next)(SSL*);
  if (next == NULL) {
    void* symbol = dlsym(RTLD_NEXT, "SSL_clear");
    if (symbol == NULL) abort();
    *(void**)&next = symbol;
  }
  if (SSL_is_init_finished(ssl)) {  // wrk clears each connection twice
    ++handshakes;
    if (SSL_session_reused(ssl)) ++resumed;
  }
  const int cleared = next(ssl);
  if (getenv("KEEP_TLS_SESSIONS") == NULL) SSL_set_session(ssl, NULL);
  return cleared;
}
