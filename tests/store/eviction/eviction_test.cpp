// The order in which chunks go: each policy against its rules, what is kept, and what a scan takes with it.
#include <doctest/doctest.h>
#include <tests/store/eviction/naive_policy.h>
#include <tests/support/failing_new.h>

#include <map>
#include <random>
#include <set>
#include <string>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

using Chunks = std::vector<Chunk>;
using Maker = std::unique_ptr<EvictionPolicy> (*)() noexcept;

struct Subject {
  const char* name;
  Maker make;
  NaivePolicy::Rules rules;
};
constexpr Subject kSubjects[] = {{"lru", make_lru, NaivePolicy::Rules::lru},
                                 {"s3_fifo", make_s3_fifo, NaivePolicy::Rules::s3_fifo}};

// Chunk `index` of entry 1 has arrived, all of it.
void arrive(EvictionPolicy& policy, std::uint64_t index) {
  REQUIRE(policy.arrived({1, index}, kChunkBytes));
}

// What is offered while `answer` says evicted or keep, as indices: "3 4(kept) 5".
template <class Answer>
std::string offered(EvictionPolicy& policy, Answer&& answer) {
  std::string text;
  policy.evict([&](Chunk chunk, std::uint64_t) {
    const Take take = answer(chunk);
    if (take != Take::enough) {
      text += (text.empty() ? "" : " ") + std::to_string(chunk.index) + (take == Take::keep ? "(kept)" : "");
    }
    return take;
  });
  policy.check_invariants();
  return text;
}

std::string evicted(EvictionPolicy& policy, std::size_t count) {
  return offered(policy, [&](Chunk) { return count-- > 0 ? Take::evicted : Take::enough; });
}

std::string all_in_order(EvictionPolicy& policy) {
  return offered(policy, [](Chunk) { return Take::evicted; });
}

// A cache with nothing in it but the record of what is there. Chunks come and are read in sixteen pieces.
class Cache {
 public:
  Cache(std::unique_ptr<EvictionPolicy> policy, std::uint64_t chunks)
      : policy_(std::move(policy)), capacity_(chunks * kChunkBytes) {}

  // Reads the chunk from end to end; was it there?
  bool read(Chunk chunk) {
    const bool hit = here_.contains(chunk);
    for (int piece = 0; piece < 16; ++piece) {
      if (!hit) {
        make_room(kChunkBytes / 16);
        here_.insert(chunk);
        REQUIRE(policy_->arrived(chunk, kChunkBytes / 16));
      }
      policy_->used(chunk);
    }
    return hit;
  }

 private:
  void make_room(std::uint64_t bytes) {
    policy_->evict([&](Chunk chunk, std::uint64_t freed) {
      if (used_ + bytes <= capacity_) {
        return Take::enough;
      }
      used_ -= freed;
      here_.erase(chunk);
      return Take::evicted;
    });
    used_ += bytes;
  }

  std::unique_ptr<EvictionPolicy> policy_;
  std::uint64_t capacity_;
  std::uint64_t used_ = 0;
  std::set<Chunk> here_;
};

// A policy and its rules, written down naively, are told and asked the same.
class Beside {
 public:
  Beside(const Subject& subject, std::uint64_t seed) : policy_(subject.make()), naive_(subject.rules), random_(seed) {}

  void step() {
    const Chunk chunk{random_() % 4, random_() % 12};
    switch (random_() % 16) {
      case 0:
        policy_->gone(chunk);
        naive_.gone(chunk);
        break;
      case 1:
        if (random_() % 8 == 0) {
          policy_->forget(chunk.entry);
          naive_.forget(chunk.entry);
        }
        break;
      case 2:
        policy_->released(chunk);
        naive_.released(chunk);
        break;
      case 3:
      case 4:
        if (!evicts_rarely_ || random_() % 16 == 0) {
          evict();
        }
        break;
      case 5:
      case 6:
      case 7:
      case 8: {
        const std::uint64_t bytes = 1 + random_() % (kChunkBytes / 4);
        REQUIRE(policy_->arrived(chunk, bytes));
        naive_.arrived(chunk, bytes);
        break;
      }
      default:
        policy_->used(chunk);
        naive_.used(chunk);
    }
    policy_->check_invariants();
    REQUIRE(policy_->bytes() == naive_.bytes());
    REQUIRE(policy_->chunks() == naive_.chunks());
  }

 private:
  // Some chunks are pinned; as much as is asked for may be all.
  void evict() {
    const std::size_t wanted = random_() % 12;
    const std::uint64_t pinned = random_() % 3 == 0 ? ~std::uint64_t{0} : random_() & random_();
    const auto taker = [&](Chunks& seen) {
      return [&seen, pinned, left = wanted](Chunk chunk, std::uint64_t) mutable {
        seen.push_back(chunk);
        if ((pinned >> (chunk.entry * 12 + chunk.index) & 1) != 0) {
          return Take::keep;
        }
        return left-- > 0 ? Take::evicted : Take::enough;
      };
    };
    Chunks ours;
    Chunks theirs;
    policy_->evict(taker(ours));
    naive_.evict(taker(theirs));
    REQUIRE(ours == theirs);
  }

  std::unique_ptr<EvictionPolicy> policy_;
  NaivePolicy naive_;
  std::mt19937_64 random_;
  bool evicts_rarely_;  // so that many uses come to count before a chunk is looked at
};

}  // namespace

TEST_CASE("eviction: a policy and its rules, written down naively, do the same") {
  for (const Subject& subject : kSubjects) {
    CAPTURE(subject.name);
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      CAPTURE(seed);
      Beside beside(subject, seed);
      for (int step = 0; step < 1000; ++step) {
        beside.step();
      }
    }
  }
}

TEST_CASE("eviction: lru: the least recently used first, arrivals are uses") {
  const auto policy = make_lru();
  for (const std::uint64_t index : {1U, 2U, 3U, 4U}) {
    arrive(*policy, index);
  }
  policy->used({1, 2});
  arrive(*policy, 1);
  CHECK(policy->bytes() == 5 * kChunkBytes);
  CHECK(policy->chunks() == 4);
  CHECK(all_in_order(*policy) == "3 4 2 1");
  CHECK(policy->bytes() == 0);
}

TEST_CASE("eviction: s3_fifo: what is used again later outlasts what is read once, in however many reads") {
  const auto policy = make_s3_fifo();
  for (std::uint64_t index = 0; index < 20; ++index) {
    arrive(*policy, index);
    for (int read = 0; read < 16; ++read) {
      policy->used({1, index});
    }
  }
  for (int read = 0; read < 16; ++read) {
    policy->used({1, 3});
  }
  CHECK(all_in_order(*policy) == "0 1 2 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 3");
}

TEST_CASE("eviction: s3_fifo: a use counts when twice a tenth of the bytes has arrived since") {
  const auto policy = make_s3_fifo();
  for (std::uint64_t index = 0; index < 10; ++index) {
    arrive(*policy, index);
  }
  // 10 chunks: two must arrive in between. 7 is as long ago as that; 8 is not.
  policy->used({1, 7});
  policy->used({1, 8});
  CHECK(evicted(*policy, 8) == "0 1 2 3 4 5 6 8");
  CHECK(all_in_order(*policy) == "9 7");
}

TEST_CASE("eviction: s3_fifo: the arrival of a chunk, read piece by piece, is no use of it, however small the cache") {
  const auto policy = make_s3_fifo();
  for (const std::uint64_t index : {1U, 2U}) {
    for (int piece = 0; piece < 16; ++piece) {
      REQUIRE(policy->arrived({1, index}, kChunkBytes / 16));
      policy->used({1, index});
    }
  }
  CHECK(all_in_order(*policy) == "1 2");
  arrive(*policy, 3);
  arrive(*policy, 4);
  policy->used({1, 3});
  CHECK(all_in_order(*policy) == "4 3");
}

TEST_CASE("eviction: s3_fifo: one that comes back soon has proved itself") {
  const auto policy = make_s3_fifo();
  for (std::uint64_t index = 0; index < 10; ++index) {
    arrive(*policy, index);
  }
  CHECK(evicted(*policy, 3) == "0 1 2");
  arrive(*policy, 1);
  CHECK(policy->chunks() == 8);
  // While there are fresh ones beyond a tenth, they go first.
  CHECK(all_in_order(*policy) == "3 4 5 6 7 8 9 1");
}

TEST_CASE("eviction: s3_fifo: fresh chunks go while they are more than a tenth, then those of main") {
  const auto policy = make_s3_fifo();
  for (std::uint64_t index = 0; index < 18; ++index) {
    arrive(*policy, index);
  }
  CHECK(evicted(*policy, 9) == "0 1 2 3 4 5 6 7 8");
  for (std::uint64_t index = 0; index < 9; ++index) {
    arrive(*policy, index);
  }
  CHECK(evicted(*policy, 8) == "9 10 11 12 13 14 15 16");
  // One of ten is fresh: that is not more.
  CHECK(all_in_order(*policy) == "0 17 1 2 3 4 5 6 7 8");
}

TEST_CASE("eviction: s3_fifo: in main each use that counts is worth a turn, up to three") {
  const auto order_after = [](int uses_of_0, int uses_of_1) {
    const auto policy = make_s3_fifo();
    for (std::uint64_t index = 0; index < 4; ++index) {
      arrive(*policy, index);
    }
    CHECK(evicted(*policy, 2) == "0 1");
    arrive(*policy, 0);
    arrive(*policy, 1);
    for (std::uint64_t use = 0; use < 4; ++use) {
      for (std::uint64_t index = 0; index < 10; ++index) {
        arrive(*policy, 100 * (use + 1) + index);
      }
      if (uses_of_0-- > 0) {
        policy->used({1, 0});
      }
      if (uses_of_1-- > 0) {
        policy->used({1, 1});
      }
    }
    const std::string order = all_in_order(*policy);
    return order.substr(order.size() - 3);
  };
  CHECK(order_after(0, 0) == "0 1");
  CHECK(order_after(1, 0) == "1 0");
  CHECK(order_after(2, 1) == "1 0");
  CHECK(order_after(3, 2) == "1 0");
  CHECK(order_after(4, 3) == "0 1");
}

TEST_CASE("eviction: s3_fifo: no more chunks are remembered than there are") {
  const auto policy = make_s3_fifo();
  const std::int64_t before = live_allocations();
  for (std::uint64_t index = 0; index < 1000; ++index) {
    arrive(*policy, index);
    evicted(*policy, policy->chunks() > 10 ? 1 : 0);
  }
  CHECK(live_allocations() - before == 20);
  all_in_order(*policy);
  CHECK(live_allocations() == before);
}

TEST_CASE("eviction: a kept chunk is skipped, and first in its turn once released") {
  for (const Subject& subject : kSubjects) {
    CAPTURE(subject.name);
    const auto policy = subject.make();
    for (std::uint64_t index = 0; index < 30; ++index) {
      arrive(*policy, index);
    }
    // All but the last are pinned.
    std::size_t offers = 0;
    CHECK(offered(*policy, [&](Chunk chunk) {
            ++offers;
            return chunk.index < 29 ? Take::keep : Take::evicted;
          }).ends_with("27(kept) 28(kept) 29"));
    CHECK(offers == 30);
    CHECK(policy->chunks() == 29);
    CHECK(policy->bytes() == 29 * kChunkBytes);
    // Few of them are tried again each time, in turn.
    const auto keep = [](Chunk) { return Take::keep; };
    CHECK(offered(*policy, keep) == "0(kept) 1(kept) 2(kept) 3(kept) 4(kept) 5(kept) 6(kept) 7(kept)");
    policy->released({1, 20});
    policy->released({1, 21});
    policy->released({1, 99});
    CHECK(offered(*policy, keep) ==
          "8(kept) 9(kept) 10(kept) 11(kept) 12(kept) 13(kept) 14(kept) 15(kept) 21(kept) 20(kept)");
    // Gone while kept.
    policy->gone({1, 16});
    policy->gone({1, 16});
    CHECK(policy->chunks() == 28);
    CHECK(evicted(*policy, 3) == "17 18 19");
  }
}

TEST_CASE("eviction: an entry is forgotten, with its kept chunks and ghosts") {
  for (const Subject& subject : kSubjects) {
    CAPTURE(subject.name);
    const auto policy = subject.make();
    for (std::uint64_t index = 0; index < 12; ++index) {
      arrive(*policy, index);
      REQUIRE(policy->arrived({0, index}, 1));
      REQUIRE(policy->arrived({2, index}, 1));
    }
    int offers = 0;
    offered(*policy, [&](Chunk) { return ++offers > 8 ? Take::enough : offers % 2 == 0 ? Take::keep : Take::evicted; });
    policy->forget(1);
    policy->forget(7);
    policy->check_invariants();
    CHECK(policy->bytes() == policy->chunks());
    // Were they remembered, they would not be fresh.
    arrive(*policy, 0);
    policy->evict([&](Chunk chunk, std::uint64_t) { return chunk.entry == 1 ? Take::keep : Take::evicted; });
    CHECK(policy->bytes() == kChunkBytes);
    CHECK(policy->chunks() == 1);
  }
}

TEST_CASE("eviction: of chunks that are not known, and of no bytes, nothing is made") {
  for (const Subject& subject : kSubjects) {
    CAPTURE(subject.name);
    const auto policy = subject.make();
    policy->used({1, 1});
    policy->gone({1, 1});
    policy->released({1, 1});
    policy->forget(1);
    CHECK(policy->arrived({1, 1}, 0));
    CHECK(policy->chunks() == 0);
    CHECK(all_in_order(*policy).empty());
  }
}

TEST_CASE("eviction: F18: out of memory an arrival changes nothing, and nothing else allocates") {
  const std::int64_t before = live_allocations();
  for (const Subject& subject : kSubjects) {
    CAPTURE(subject.name);
    {
      const FailAllocation scope(1);
      CHECK(subject.make() == nullptr);
    }
    const auto policy = subject.make();
    for (std::uint64_t index = 0; index < 20; ++index) {
      arrive(*policy, index);
    }
    CHECK(evicted(*policy, 4) == "0 1 2 3");
    const std::uint64_t last = for_each_failing_allocation([&](std::uint64_t k) {
      bool fired = false;
      bool arrived = false;
      {
        const FailAllocation scope(k);
        arrived = policy->arrived({1, 20}, 5).has_value();
        fired = scope.fired();
      }
      policy->check_invariants();
      CHECK(arrived == !fired);
      CHECK(policy->chunks() == (fired ? 16 : 17));
      CHECK(policy->bytes() == 16 * kChunkBytes + (fired ? 0 : 5));
      return fired;
    });
    CHECK(last == 2);
    const FailAllocation scope(1, Afterwards::keep_going);
    policy->used({1, 5});
    policy->gone({1, 6});
    std::uint64_t offers = 0;
    policy->evict([&](Chunk, std::uint64_t) {
      return ++offers > 9 ? Take::enough : offers % 3 == 0 ? Take::keep : Take::evicted;
    });
    policy->released({1, 9});
    policy->evict([](Chunk, std::uint64_t) { return Take::enough; });
    policy->forget(1);
    CHECK(scope.allocations() == 0);
    CHECK(policy->chunks() == 0);
  }
  CHECK(live_allocations() == before);
}

TEST_CASE("eviction: a scan takes the hot set with it under lru, and little of it under s3_fifo") {
  std::map<std::string, double> ratio;
  for (const Subject& subject : kSubjects) {
    std::mt19937_64 random(7);
    Cache cache(subject.make(), 200);
    int hits = 0;
    int reads = 0;
    for (std::uint64_t scanned = 0; scanned < 4000; ++scanned) {
      if (scanned >= 500) {
        cache.read({2, scanned});
        cache.read({2, 10000 + scanned});
      }
      hits += cache.read({1, random() % 120});
      ++reads;
    }
    ratio[subject.name] = static_cast<double>(hits) / reads;
  }
  MESSAGE("lru ", ratio["lru"], ", s3_fifo ", ratio["s3_fifo"]);
  CHECK(ratio["lru"] < 0.6);
  CHECK(ratio["s3_fifo"] > 0.9);
}
