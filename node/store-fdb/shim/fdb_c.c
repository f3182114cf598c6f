/* Stand-in for the FoundationDB client library at link time. Every function of its C API that the
 * Rust binding names is here and passes the call on to the real libfdb_c.so, which is loaded when
 * one of them is first called. Declared after the documentation of the C API, version 730.
 *
 * Where the library is looked for, in this order:
 *   1. the file FDB_LOCAL_CLIENT_LIBRARY_PATH names (FoundationDB's own name), and only it;
 *   2. libfdb_c.so in the folder FDB_CLIENT_LIB_PATH names;
 *   3. libfdb_c.so where the loader looks (LD_LIBRARY_PATH, /etc/ld.so.conf, /usr/lib).
 *
 * Without a library fdb_get_max_api_version gives 0, functions with an error code give
 * STAND_IN_NO_LIBRARY, and fdb_get_error gives what the loader said. The caller asks for the
 * version first and then calls nothing else; until a library is found each such question looks
 * again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* No code of FoundationDB's; they end below 5,000. */
#define STAND_IN_NO_LIBRARY 29999
/* The network thread gets so long to end when the process does. */
#define STAND_IN_EXIT_SECONDS_MAX 5

typedef int code_t;
typedef int bool_t;
typedef struct FDB_future Future;
typedef struct FDB_database Database;
typedef struct FDB_transaction Transaction;
typedef struct FDB_tenant Tenant;
typedef void (*Callback)(Future *, void *);

#define FUNCTIONS(DO) \
  DO(fdb_get_error) \
  DO(fdb_get_max_api_version) \
  DO(fdb_error_predicate) \
  DO(fdb_select_api_version_impl) \
  DO(fdb_network_set_option) \
  DO(fdb_setup_network) \
  DO(fdb_run_network) \
  DO(fdb_stop_network) \
  DO(fdb_create_database) \
  DO(fdb_database_set_option) \
  DO(fdb_database_create_transaction) \
  DO(fdb_database_destroy) \
  DO(fdb_database_get_client_status) \
  DO(fdb_database_get_main_thread_busyness) \
  DO(fdb_database_open_tenant) \
  DO(fdb_tenant_create_transaction) \
  DO(fdb_tenant_destroy) \
  DO(fdb_future_cancel) \
  DO(fdb_future_destroy) \
  DO(fdb_future_release_memory) \
  DO(fdb_future_block_until_ready) \
  DO(fdb_future_is_ready) \
  DO(fdb_future_set_callback) \
  DO(fdb_future_get_error) \
  DO(fdb_future_get_bool) \
  DO(fdb_future_get_int64) \
  DO(fdb_future_get_key) \
  DO(fdb_future_get_value) \
  DO(fdb_future_get_key_array) \
  DO(fdb_future_get_keyvalue_array) \
  DO(fdb_future_get_mappedkeyvalue_array) \
  DO(fdb_future_get_string_array) \
  DO(fdb_transaction_set_option) \
  DO(fdb_transaction_set_read_version) \
  DO(fdb_transaction_get_read_version) \
  DO(fdb_transaction_get) \
  DO(fdb_transaction_get_key) \
  DO(fdb_transaction_get_addresses_for_key) \
  DO(fdb_transaction_get_range) \
  DO(fdb_transaction_get_mapped_range) \
  DO(fdb_transaction_set) \
  DO(fdb_transaction_atomic_op) \
  DO(fdb_transaction_clear) \
  DO(fdb_transaction_clear_range) \
  DO(fdb_transaction_watch) \
  DO(fdb_transaction_commit) \
  DO(fdb_transaction_cancel) \
  DO(fdb_transaction_get_committed_version) \
  DO(fdb_transaction_get_approximate_size) \
  DO(fdb_transaction_get_estimated_range_size_bytes) \
  DO(fdb_transaction_get_range_split_points) \
  DO(fdb_transaction_get_versionstamp) \
  DO(fdb_transaction_on_error) \
  DO(fdb_transaction_reset) \
  DO(fdb_transaction_destroy) \
  DO(fdb_transaction_add_conflict_range)

#define AS_INDEX(name) AT_##name,
enum { FUNCTIONS(AS_INDEX) FUNCTION_COUNT };
#define AS_NAME(name) #name,
static const char *const names[] = { FUNCTIONS(AS_NAME) };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *functions[FUNCTION_COUNT];
static int is_loaded;
static char reason[1024] = "it was not looked for yet";

static void *open_library(void) {
  const char *file = getenv("FDB_LOCAL_CLIENT_LIBRARY_PATH");
  if (file && *file) return dlopen(file, RTLD_NOW | RTLD_LOCAL);
  const char *folder = getenv("FDB_CLIENT_LIB_PATH");
  if (folder && *folder) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/libfdb_c.so", folder);
    void *found = length > 0 && (size_t)length < sizeof path
                    ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (found) return found;
  }
  return dlopen("libfdb_c.so", RTLD_NOW | RTLD_LOCAL);
}

/* Keeps the library once it is there: its threads cannot be taken back. */
static int load(void) {
  pthread_mutex_lock(&lock);
  int was_loaded = is_loaded;
  void *library = was_loaded ? NULL : open_library();
  if (library) {
    for (int at = 0; at < FUNCTION_COUNT; at++) functions[at] = dlsym(library, names[at]);
    /* The table first: who sees the flag takes no lock. */
    __atomic_store_n(&is_loaded, 1, __ATOMIC_RELEASE);
  } else if (!was_loaded) {
    const char *said = dlerror();
    snprintf(reason, sizeof reason, "%s", said ? said : "the loader gives no reason");
  }
  int is_there = is_loaded;
  pthread_mutex_unlock(&lock);
  return is_there;
}

/* A function that the library does not have is one of an API version that is refused before. */
static void *function(int at) {
  return __atomic_load_n(&is_loaded, __ATOMIC_ACQUIRE) || load() ? functions[at] : NULL;
}

/* TYPE is the function's type; PASS calls it, or gives OTHERWISE when it is not there. */
#define PASS(name, type, otherwise, arguments) \
  type *call = (type *)function(AT_##name); \
  return call ? call arguments : (otherwise)
#define PASS_VOID(name, type, arguments) \
  type *call = (type *)function(AT_##name); \
  if (call) call arguments

const char *fdb_get_error(code_t code) {
  typedef const char *type(code_t);
  if (code == STAND_IN_NO_LIBRARY) return reason;
  PASS(fdb_get_error, type, reason, (code));
}
/* The question that comes first. */
int fdb_get_max_api_version(void) {
  typedef int type(void);
  PASS(fdb_get_max_api_version, type, 0, ());
}
bool_t fdb_error_predicate(int test, code_t code) {
  typedef bool_t type(int, code_t);
  PASS(fdb_error_predicate, type, 0, (test, code));
}
code_t fdb_select_api_version_impl(int runtime_version, int header_version) {
  typedef code_t type(int, int);
  PASS(fdb_select_api_version_impl, type, STAND_IN_NO_LIBRARY, (runtime_version, header_version));
}
code_t fdb_network_set_option(int option, const uint8_t *value, int length) {
  typedef code_t type(int, const uint8_t *, int);
  PASS(fdb_network_set_option, type, STAND_IN_NO_LIBRARY, (option, value, length));
}

/* The network thread must not run while the process takes down its static objects. Whoever ends the
 * process without stopping it (a test, an early exit) is seen to here. */
enum { NETWORK_IDLE, NETWORK_RUNNING, NETWORK_ENDED };
static pthread_mutex_t network_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t network_changed = PTHREAD_COND_INITIALIZER;
static int network_state = NETWORK_IDLE;

static code_t stop_network(void) {
  typedef code_t type(void);
  PASS(fdb_stop_network, type, STAND_IN_NO_LIBRARY, ());
}

static void at_exit(void) {
  pthread_mutex_lock(&network_lock);
  if (network_state == NETWORK_RUNNING) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STAND_IN_EXIT_SECONDS_MAX;
    pthread_mutex_unlock(&network_lock);
    stop_network();
    pthread_mutex_lock(&network_lock);
    while (network_state == NETWORK_RUNNING)
      if (pthread_cond_timedwait(&network_changed, &network_lock, &until) == ETIMEDOUT) break;
  }
  pthread_mutex_unlock(&network_lock);
}

static void set_network_state(int state) {
  pthread_mutex_lock(&network_lock);
  network_state = state;
  pthread_cond_broadcast(&network_changed);
  pthread_mutex_unlock(&network_lock);
}

code_t fdb_setup_network(void) {
  typedef code_t type(void);
  type *call = (type *)function(AT_fdb_setup_network);
  code_t code = call ? call() : STAND_IN_NO_LIBRARY;
  /* Registered after the library's own handlers, so it runs before them. */
  if (code == 0) atexit(at_exit);
  return code;
}
code_t fdb_run_network(void) {
  typedef code_t type(void);
  type *call = (type *)function(AT_fdb_run_network);
  if (!call) return STAND_IN_NO_LIBRARY;
  set_network_state(NETWORK_RUNNING);
  code_t code = call();
  set_network_state(NETWORK_ENDED);
  return code;
}
code_t fdb_stop_network(void) {
  return stop_network();
}

code_t fdb_create_database(const char *cluster_file, Database **out) {
  typedef code_t type(const char *, Database **);
  PASS(fdb_create_database, type, STAND_IN_NO_LIBRARY, (cluster_file, out));
}
code_t fdb_database_set_option(Database *self, int option, const uint8_t *value, int length) {
  typedef code_t type(Database *, int, const uint8_t *, int);
  PASS(fdb_database_set_option, type, STAND_IN_NO_LIBRARY, (self, option, value, length));
}
code_t fdb_database_create_transaction(Database *self, Transaction **out) {
  typedef code_t type(Database *, Transaction **);
  PASS(fdb_database_create_transaction, type, STAND_IN_NO_LIBRARY, (self, out));
}
void fdb_database_destroy(Database *self) {
  typedef void type(Database *);
  PASS_VOID(fdb_database_destroy, type, (self));
}
Future *fdb_database_get_client_status(Database *self) {
  typedef Future *type(Database *);
  PASS(fdb_database_get_client_status, type, NULL, (self));
}
double fdb_database_get_main_thread_busyness(Database *self) {
  typedef double type(Database *);
  PASS(fdb_database_get_main_thread_busyness, type, 0.0, (self));
}
code_t fdb_database_open_tenant(Database *self, const uint8_t *name, int length, Tenant **out) {
  typedef code_t type(Database *, const uint8_t *, int, Tenant **);
  PASS(fdb_database_open_tenant, type, STAND_IN_NO_LIBRARY, (self, name, length, out));
}
code_t fdb_tenant_create_transaction(Tenant *self, Transaction **out) {
  typedef code_t type(Tenant *, Transaction **);
  PASS(fdb_tenant_create_transaction, type, STAND_IN_NO_LIBRARY, (self, out));
}
void fdb_tenant_destroy(Tenant *self) {
  typedef void type(Tenant *);
  PASS_VOID(fdb_tenant_destroy, type, (self));
}

void fdb_future_cancel(Future *self) {
  typedef void type(Future *);
  PASS_VOID(fdb_future_cancel, type, (self));
}
void fdb_future_destroy(Future *self) {
  typedef void type(Future *);
  PASS_VOID(fdb_future_destroy, type, (self));
}
void fdb_future_release_memory(Future *self) {
  typedef void type(Future *);
  PASS_VOID(fdb_future_release_memory, type, (self));
}
code_t fdb_future_block_until_ready(Future *self) {
  typedef code_t type(Future *);
  PASS(fdb_future_block_until_ready, type, STAND_IN_NO_LIBRARY, (self));
}
bool_t fdb_future_is_ready(Future *self) {
  typedef bool_t type(Future *);
  PASS(fdb_future_is_ready, type, 1, (self));
}
code_t fdb_future_set_callback(Future *self, Callback callback, void *parameter) {
  typedef code_t type(Future *, Callback, void *);
  PASS(fdb_future_set_callback, type, STAND_IN_NO_LIBRARY, (self, callback, parameter));
}
code_t fdb_future_get_error(Future *self) {
  typedef code_t type(Future *);
  PASS(fdb_future_get_error, type, STAND_IN_NO_LIBRARY, (self));
}
code_t fdb_future_get_bool(Future *self, bool_t *out) {
  typedef code_t type(Future *, bool_t *);
  PASS(fdb_future_get_bool, type, STAND_IN_NO_LIBRARY, (self, out));
}
code_t fdb_future_get_int64(Future *self, int64_t *out) {
  typedef code_t type(Future *, int64_t *);
  PASS(fdb_future_get_int64, type, STAND_IN_NO_LIBRARY, (self, out));
}
code_t fdb_future_get_key(Future *self, const uint8_t **key, int *length) {
  typedef code_t type(Future *, const uint8_t **, int *);
  PASS(fdb_future_get_key, type, STAND_IN_NO_LIBRARY, (self, key, length));
}
code_t fdb_future_get_value(Future *self, bool_t *present, const uint8_t **value, int *length) {
  typedef code_t type(Future *, bool_t *, const uint8_t **, int *);
  PASS(fdb_future_get_value, type, STAND_IN_NO_LIBRARY, (self, present, value, length));
}
code_t fdb_future_get_key_array(Future *self, const void **keys, int *count) {
  typedef code_t type(Future *, const void **, int *);
  PASS(fdb_future_get_key_array, type, STAND_IN_NO_LIBRARY, (self, keys, count));
}
code_t fdb_future_get_keyvalue_array(Future *self, const void **rows, int *count, bool_t *more) {
  typedef code_t type(Future *, const void **, int *, bool_t *);
  PASS(fdb_future_get_keyvalue_array, type, STAND_IN_NO_LIBRARY, (self, rows, count, more));
}
code_t fdb_future_get_mappedkeyvalue_array(Future *self, const void **rows, int *count,
                                           bool_t *more) {
  typedef code_t type(Future *, const void **, int *, bool_t *);
  PASS(fdb_future_get_mappedkeyvalue_array, type, STAND_IN_NO_LIBRARY, (self, rows, count, more));
}
code_t fdb_future_get_string_array(Future *self, const char ***strings, int *count) {
  typedef code_t type(Future *, const char ***, int *);
  PASS(fdb_future_get_string_array, type, STAND_IN_NO_LIBRARY, (self, strings, count));
}

code_t fdb_transaction_set_option(Transaction *self, int option, const uint8_t *value, int length) {
  typedef code_t type(Transaction *, int, const uint8_t *, int);
  PASS(fdb_transaction_set_option, type, STAND_IN_NO_LIBRARY, (self, option, value, length));
}
void fdb_transaction_set_read_version(Transaction *self, int64_t version) {
  typedef void type(Transaction *, int64_t);
  PASS_VOID(fdb_transaction_set_read_version, type, (self, version));
}
Future *fdb_transaction_get_read_version(Transaction *self) {
  typedef Future *type(Transaction *);
  PASS(fdb_transaction_get_read_version, type, NULL, (self));
}
Future *fdb_transaction_get(Transaction *self, const uint8_t *key, int length, bool_t snapshot) {
  typedef Future *type(Transaction *, const uint8_t *, int, bool_t);
  PASS(fdb_transaction_get, type, NULL, (self, key, length, snapshot));
}
Future *fdb_transaction_get_key(Transaction *self, const uint8_t *key, int length, bool_t or_equal,
                                int offset, bool_t snapshot) {
  typedef Future *type(Transaction *, const uint8_t *, int, bool_t, int, bool_t);
  PASS(fdb_transaction_get_key, type, NULL, (self, key, length, or_equal, offset, snapshot));
}
Future *fdb_transaction_get_addresses_for_key(Transaction *self, const uint8_t *key, int length) {
  typedef Future *type(Transaction *, const uint8_t *, int);
  PASS(fdb_transaction_get_addresses_for_key, type, NULL, (self, key, length));
}
Future *fdb_transaction_get_range(Transaction *self, const uint8_t *begin, int begin_length,
                                  bool_t begin_or_equal, int begin_offset, const uint8_t *end,
                                  int end_length, bool_t end_or_equal, int end_offset, int limit,
                                  int target_bytes, int mode, int iteration, bool_t snapshot,
                                  bool_t reverse) {
  typedef Future *type(Transaction *, const uint8_t *, int, bool_t, int, const uint8_t *, int,
                       bool_t, int, int, int, int, int, bool_t, bool_t);
  PASS(fdb_transaction_get_range, type, NULL,
       (self, begin, begin_length, begin_or_equal, begin_offset, end, end_length, end_or_equal,
        end_offset, limit, target_bytes, mode, iteration, snapshot, reverse));
}
Future *fdb_transaction_get_mapped_range(Transaction *self, const uint8_t *begin, int begin_length,
                                         bool_t begin_or_equal, int begin_offset,
                                         const uint8_t *end, int end_length, bool_t end_or_equal,
                                         int end_offset, const uint8_t *mapper, int mapper_length,
                                         int limit, int target_bytes, int mode, int iteration,
                                         bool_t snapshot, bool_t reverse) {
  typedef Future *type(Transaction *, const uint8_t *, int, bool_t, int, const uint8_t *, int,
                       bool_t, int, const uint8_t *, int, int, int, int, int, bool_t, bool_t);
  PASS(fdb_transaction_get_mapped_range, type, NULL,
       (self, begin, begin_length, begin_or_equal, begin_offset, end, end_length, end_or_equal,
        end_offset, mapper, mapper_length, limit, target_bytes, mode, iteration, snapshot,
        reverse));
}
void fdb_transaction_set(Transaction *self, const uint8_t *key, int key_length,
                         const uint8_t *value, int value_length) {
  typedef void type(Transaction *, const uint8_t *, int, const uint8_t *, int);
  PASS_VOID(fdb_transaction_set, type, (self, key, key_length, value, value_length));
}
void fdb_transaction_atomic_op(Transaction *self, const uint8_t *key, int key_length,
                               const uint8_t *operand, int operand_length, int operation) {
  typedef void type(Transaction *, const uint8_t *, int, const uint8_t *, int, int);
  PASS_VOID(fdb_transaction_atomic_op, type,
            (self, key, key_length, operand, operand_length, operation));
}
void fdb_transaction_clear(Transaction *self, const uint8_t *key, int length) {
  typedef void type(Transaction *, const uint8_t *, int);
  PASS_VOID(fdb_transaction_clear, type, (self, key, length));
}
void fdb_transaction_clear_range(Transaction *self, const uint8_t *begin, int begin_length,
                                 const uint8_t *end, int end_length) {
  typedef void type(Transaction *, const uint8_t *, int, const uint8_t *, int);
  PASS_VOID(fdb_transaction_clear_range, type, (self, begin, begin_length, end, end_length));
}
Future *fdb_transaction_watch(Transaction *self, const uint8_t *key, int length) {
  typedef Future *type(Transaction *, const uint8_t *, int);
  PASS(fdb_transaction_watch, type, NULL, (self, key, length));
}
Future *fdb_transaction_commit(Transaction *self) {
  typedef Future *type(Transaction *);
  PASS(fdb_transaction_commit, type, NULL, (self));
}
void fdb_transaction_cancel(Transaction *self) {
  typedef void type(Transaction *);
  PASS_VOID(fdb_transaction_cancel, type, (self));
}
code_t fdb_transaction_get_committed_version(Transaction *self, int64_t *out) {
  typedef code_t type(Transaction *, int64_t *);
  PASS(fdb_transaction_get_committed_version, type, STAND_IN_NO_LIBRARY, (self, out));
}
Future *fdb_transaction_get_approximate_size(Transaction *self) {
  typedef Future *type(Transaction *);
  PASS(fdb_transaction_get_approximate_size, type, NULL, (self));
}
Future *fdb_transaction_get_estimated_range_size_bytes(Transaction *self, const uint8_t *begin,
                                                       int begin_length, const uint8_t *end,
                                                       int end_length) {
  typedef Future *type(Transaction *, const uint8_t *, int, const uint8_t *, int);
  PASS(fdb_transaction_get_estimated_range_size_bytes, type, NULL,
       (self, begin, begin_length, end, end_length));
}
Future *fdb_transaction_get_range_split_points(Transaction *self, const uint8_t *begin,
                                               int begin_length, const uint8_t *end,
                                               int end_length, int64_t chunk_size) {
  typedef Future *type(Transaction *, const uint8_t *, int, const uint8_t *, int, int64_t);
  PASS(fdb_transaction_get_range_split_points, type, NULL,
       (self, begin, begin_length, end, end_length, chunk_size));
}
Future *fdb_transaction_get_versionstamp(Transaction *self) {
  typedef Future *type(Transaction *);
  PASS(fdb_transaction_get_versionstamp, type, NULL, (self));
}
Future *fdb_transaction_on_error(Transaction *self, code_t code) {
  typedef Future *type(Transaction *, code_t);
  PASS(fdb_transaction_on_error, type, NULL, (self, code));
}
void fdb_transaction_reset(Transaction *self) {
  typedef void type(Transaction *);
  PASS_VOID(fdb_transaction_reset, type, (self));
}
void fdb_transaction_destroy(Transaction *self) {
  typedef void type(Transaction *);
  PASS_VOID(fdb_transaction_destroy, type, (self));
}
code_t fdb_transaction_add_conflict_range(Transaction *self, const uint8_t *begin, int begin_length,
                                          const uint8_t *end, int end_length, int side) {
  typedef code_t type(Transaction *, const uint8_t *, int, const uint8_t *, int, int);
  PASS(fdb_transaction_add_conflict_range, type, STAND_IN_NO_LIBRARY,
       (self, begin, begin_length, end, end_length, side));
}
