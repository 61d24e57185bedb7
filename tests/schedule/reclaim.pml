/* The hazard of a replaced content (base/hazard.h, resource/core/core_content.cpp) on processors that delay stores, as
 * x86 does (TSO): a reader's store to its slot waits in a buffer, and its fence is light: it does nothing. The heavy
 * fence of who reclaims empties the buffers of all. The schedule explorer cannot show this: there all stores are seen
 * at once. Claim: what a reader has found to be shown, after it stored its slot, is not freed while it reads.
 * Run by models_test. Planted, to see that the claim can fail: -DFENCE_BEFORE_LOCK, -DNO_FENCE, -DNOT_RECHECKED.
 */
byte shown = 1;          /* sure_content_: contents have numbers */
byte slot;               /* of the reader, as others see it */
byte buffered; bool in_buffer;
bool locked;             /* mutex_ */
bool retired[3], freed[3];

inline store_slot(content) { atomic { buffered = content; in_buffer = true } }
inline drain() { atomic { if :: in_buffer -> slot = buffered; in_buffer = false :: else fi } }
inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* The processor, in its own time. */
active proctype Drain() {
end:
  do :: atomic { in_buffer -> slot = buffered; in_buffer = false } od
}

/* Hazard::protect(), the read, and the end of the Hazard. */
active proctype Reader() {
  byte seen, again;
  seen = shown;
  do
  :: store_slot(seen);
#ifdef NOT_RECHECKED
     again = seen;
#else
     again = shown;
#endif
     if
     :: again == seen -> break
     :: else -> seen = again
     fi
  od;
  assert(!freed[seen]);
  assert(!freed[seen]);
  drain(); /* a release store: what was read before it has been read */
  store_slot(0)
}

/* Core::show_locked(), by who commits a rewrite. */
active proctype Replacer() {
  lock();
  shown = 2;
  retired[1] = true;
  unlock()
}

/* Core::reclaim(), by any two threads, at any time. */
active [2] proctype Reclaimer() {
#ifdef FENCE_BEFORE_LOCK
  drain();
  lock();
#else
  lock();
#ifndef NO_FENCE
  drain();
#endif
#endif
  if
  :: retired[1] && slot != 1 -> freed[1] = true; retired[1] = false
  :: else
  fi;
  unlock()
}
