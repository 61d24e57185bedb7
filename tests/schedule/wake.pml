/* The wake protocol of blocked waits (resource/core/core_wait.cpp, resource/wait_index/parker.h, ReadyList::wake_threads()): waiters that
 * check, park, time out and are stopped, against a writer and a cancel that decide them and wake them through a tree.
 * Claims: no waiter sleeps for ever (spin's invalid end states), none is touched after it has returned (alive), each
 * returns decided, and by one only. Run by models_test; docs/schedules.md says how it relates to the explorer.
 * Sizes: -DWAITERS=n; of these -DTIMED=n have deadlines; -DCANCEL and -DSTOP add who ends all waits, and one.
 * Planted, to see that the claims can fail: -DUNLOCKED_CHECK, -DLEAVES_EARLY, -DLINK_AFTER_WAKE, -DNO_FOLLOWERS.
 */
#ifndef WAITERS
#define WAITERS 3
#endif
#ifndef TIMED
#define TIMED 1
#endif
#define NONE WAITERS

/* Parker::state_ */
#define RUNNING 0
#define PARKED 1
#define RELEASED 2

/* Verdict */
#define PENDING 0
#define READY 1
#define CANCELLED 2
#define STOPPED 3
#define TIMED_OUT 4

/* The resource; guarded by its lock: a critical section is one atomic step, for it waits for nothing. */
bool published, cancelled;
bool indexed[WAITERS];  /* parked_: in the WaitIndex */

/* One wait each, on its thread's stack. */
bool alive[WAITERS];
byte state[WAITERS];    /* the Parker's word */
bool asleep[WAITERS];   /* in the kernel, on that word */
byte verdict[WAITERS];
byte child[WAITERS], sibling[WAITERS];  /* followers in the wake tree */

#define LIST byte list[WAITERS]; byte count; byte k; byte old; byte leader

/* Under the lock: takes the wait out, decides it, and puts it on the caller's list. */
inline decide(who, how) {
  assert(alive[who] && verdict[who] == PENDING);
  indexed[who] = false;
  verdict[who] = how;
  list[count] = who;
  count++;
}

inline decide_all(how) {
  k = 0;
  do
  :: k < WAITERS ->
    if
    :: indexed[k] -> decide(k, how)
    :: else
    fi;
    k++
  :: else -> break
  od;
  k = 0
}

/* The wake names an address only: who sleeps there by now, if anybody, wakes without cause. */
inline unpark(who) {
  atomic {
    assert(alive[who]);
    old = state[who];
    state[who] = RELEASED;
  }
  d_step {
    if
    :: old == PARKED -> asleep[who] = false
    :: else
    fi;
    old = 0  /* what is of no use any more makes no difference between states */
  }
}

/* After unlocking. Nobody else knows these waiters, and they wait for us: so the links are one step. */
inline wake_tree() {
  if
  :: count > 0 ->
    d_step {
      k = 0;
      do
      :: k < count ->
        assert(alive[list[k]]);
        child[list[k]] = (2 * k + 1 < count -> list[2 * k + 1] : NONE);
        sibling[list[k]] = (2 * k + 2 < count -> list[2 * k + 2] : NONE);
        k++
      :: else -> break
      od;
      leader = list[0];
      for (k : 0 .. WAITERS - 1) {
        list[k] = 0
      }
      k = 0;
      count = 0
    }
    unpark(leader)
  :: else
  fi
}

proctype Waiter(byte me; bool timed) {
  LIST;
  byte first, second;
  bool disturbed = false;

#ifdef UNLOCKED_CHECK
  if
  :: published || cancelled -> goto gone
  :: else
  fi;
  indexed[me] = true;
#else
  atomic {
    if
    :: published || cancelled -> goto gone
    :: else -> indexed[me] = true
    fi
  }
#endif

sleep:  /* Parker::park_until() */
  atomic {
    if
    :: state[me] == RUNNING -> state[me] = PARKED
    :: else -> goto released
    fi
  }
again:
  atomic {  /* the kernel compares and puts to sleep in one step */
    if
    :: state[me] != PARKED -> goto released
    :: else -> asleep[me] = true
    fi
  }
  if
  :: !asleep[me] -> goto again
  :: asleep[me] && !disturbed -> atomic { disturbed = true; asleep[me] = false; goto again }
  :: timed ->
    asleep[me] = false;
    timed = false;  /* the next sleep has no deadline */
    atomic {
      if
      :: state[me] == PARKED -> state[me] = RUNNING
      :: else -> goto released
      fi
    }
    atomic {  /* Core::end_wait() */
      if
      :: indexed[me] -> decide(me, TIMED_OUT)
      :: else
      fi
    }
#ifdef LEAVES_EARLY
    goto gone;
#endif
    wake_tree();
    goto sleep  /* if somebody else decided it, their wake is on its way and must be met */
  fi;

released:
  assert(verdict[me] != PENDING && !indexed[me]);
#ifndef NO_FOLLOWERS
  first = child[me];
  second = sibling[me];
  if
  :: first != NONE -> unpark(first)
  :: else
  fi;
#ifdef LINK_AFTER_WAKE
  /* Looks for the second in the list of the first, which may be gone. */
  if
  :: first != NONE -> assert(alive[first])
  :: else
  fi;
#endif
  if
  :: second != NONE -> unpark(second)
  :: else
  fi;
#endif
gone:
  alive[me] = false
}

proctype Write() {
  LIST;
  atomic {
    if
    :: cancelled
    :: else -> published = true; decide_all(READY)
    fi
  }
  wake_tree()
}

proctype Cancel() {
  LIST;
  atomic { cancelled = true; decide_all(CANCELLED) }
  wake_tree()
}

proctype Stop(byte who) {
  LIST;
  atomic {
    if
    :: indexed[who] -> decide(who, STOPPED)
    :: else
    fi
  }
  wake_tree()
}

init {
  byte i = 0;
  atomic {
    do
    :: i < WAITERS ->
      alive[i] = true;
      child[i] = NONE;
      sibling[i] = NONE;
      i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < WAITERS -> run Waiter(i, i < TIMED); i++
    :: else -> break
    od;
    run Write();
#ifdef CANCEL
    run Cancel();
#endif
#ifdef STOP
    run Stop(WAITERS - 1);
#endif
    i = 0
  }
}
