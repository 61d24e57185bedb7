// NaivePolicy: the rules of both policies, written down once more with nothing in mind but that they be right.
#pragma once

#include <strandline/store/eviction/policy.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace strandline::store {

class NaivePolicy {
 public:
  enum class Rules : std::uint8_t { lru, s3_fifo };
  explicit NaivePolicy(Rules rules) : s3_(rules == Rules::s3_fifo) {}

  void arrived(Chunk chunk, std::uint64_t bytes) {
    arrived_ += bytes;
    if (Item* const item = find(chunk)) {
      item->bytes += bytes;
    } else {
      const std::optional<Item> ghost = take_from(ghosts_, chunk);
      (s3_ && !ghost ? fresh_ : main_).push_back({chunk, bytes, arrived_, 0, false});
    }
    if (!s3_) {
      used(chunk);
    }
  }

  void used(Chunk chunk) {
    Item* const item = find(chunk);
    if (item == nullptr) {
      return;
    }
    if (!s3_) {
      const Item moved = *take(chunk);
      main_.push_back(moved);
    } else if (arrived_ - item->counted_at >= 2 * (bytes() / 10) && arrived_ - item->counted_at >= kChunkBytes) {
      item->uses += item->uses < 3 ? 1 : 0;
      item->counted_at = arrived_;
    }
  }

  void gone(Chunk chunk) {
    const bool fresh = take_from(fresh_, chunk).has_value();
    const std::optional<Item> item = take(chunk);
    if (fresh || (item && item->was_fresh)) {
      ghosts_.push_back({chunk, 0, 0, 0, false});
    }
    limit_ghosts();
  }

  void forget(std::uint64_t entry) {
    for (auto* const items : {&fresh_, &main_, &kept_, &ghosts_}) {
      std::erase_if(*items, [&](const Item& item) { return item.chunk.entry == entry; });
    }
    limit_ghosts();
  }

  void released(Chunk chunk) {
    if (const std::optional<Item> item = take_from(kept_, chunk)) {
      put_back(*item);
    }
  }

  void evict(const std::function<Take(Chunk, std::uint64_t)>& take) {
    const std::size_t retries = std::min<std::size_t>(kept_.size(), 8);
    const std::vector<Item> some(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(retries));
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(retries));
    std::for_each(some.rbegin(), some.rend(), [&](const Item& item) { put_back(item); });
    while (!fresh_.empty() || !main_.empty()) {
      const bool from_fresh = main_.empty() || sum(fresh_) > bytes() / 10;
      std::vector<Item>& queue = from_fresh && !fresh_.empty() ? fresh_ : main_;
      Item item = queue.front();
      if (item.uses > 0) {
        item.uses = &queue == &fresh_ ? 0 : item.uses - 1;
        queue.erase(queue.begin());
        main_.push_back(item);
        continue;
      }
      const Take answer = take(item.chunk, item.bytes);
      if (answer == Take::enough) {
        return;
      }
      if (answer == Take::evicted) {
        gone(item.chunk);
      } else {
        item.was_fresh = &queue == &fresh_;
        queue.erase(queue.begin());
        kept_.push_back(item);
      }
    }
  }

  [[nodiscard]] std::uint64_t bytes() const { return sum(fresh_) + sum(main_) + sum(kept_); }
  [[nodiscard]] std::size_t chunks() const { return fresh_.size() + main_.size() + kept_.size(); }

 private:
  struct Item {
    Chunk chunk;
    std::uint64_t bytes;
    std::uint64_t counted_at;
    int uses;
    bool was_fresh;  // before it was kept
  };
  using Items = std::vector<Item>;  // the oldest in front

  [[nodiscard]] static std::uint64_t sum(const Items& items) {
    std::uint64_t bytes = 0;
    for (const Item& item : items) {
      bytes += item.bytes;
    }
    return bytes;
  }
  [[nodiscard]] Item* find(Chunk chunk) {
    for (auto* const items : {&fresh_, &main_, &kept_}) {
      for (Item& item : *items) {
        if (item.chunk == chunk) {
          return &item;
        }
      }
    }
    return nullptr;
  }
  static std::optional<Item> take_from(Items& items, Chunk chunk) {
    for (auto item = items.begin(); item != items.end(); ++item) {
      if (item->chunk == chunk) {
        const Item taken = *item;
        items.erase(item);
        return taken;
      }
    }
    return std::nullopt;
  }
  std::optional<Item> take(Chunk chunk) {
    for (auto* const items : {&fresh_, &main_, &kept_}) {
      if (const std::optional<Item> taken = take_from(*items, chunk)) {
        return taken;
      }
    }
    return std::nullopt;
  }
  void put_back(const Item& item) {
    Items& home = item.was_fresh ? fresh_ : main_;
    home.insert(home.begin(), item);
    home.front().was_fresh = false;
  }
  void limit_ghosts() {
    if (ghosts_.size() > chunks()) {
      ghosts_.erase(ghosts_.begin(), ghosts_.end() - static_cast<std::ptrdiff_t>(chunks()));
    }
  }

  bool s3_;
  std::uint64_t arrived_ = 0;
  Items fresh_;
  Items main_;
  Items kept_;
  Items ghosts_;
};

}  // namespace strandline::store
