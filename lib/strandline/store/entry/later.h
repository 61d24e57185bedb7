// Later: what follows from changes to entries, waking and telling, until the store holds none of its locks any more:
// for whoever is woken or told may call the store. Threads: one. Blocks: for as long as who is told does. Errors: none:
// without memory it happens at once. Cost: an allocation per change. Lifetime: it happens, in order, when this ends.
#pragma once

#include <strandline/store/entry/entry.h>

#include <memory>
#include <utility>
#include <vector>

namespace strandline::store {

class Later {
 public:
  Later() noexcept;
  Later(Later&& other) noexcept;
  Later(const Later&) = delete;
  Later& operator=(const Later&) = delete;
  Later& operator=(Later&&) = delete;
  ~Later();

  // For what is to follow from a change to this entry, which is kept meanwhile; null without memory.
  [[nodiscard]] Core::Effects* of(std::shared_ptr<Entry> entry) noexcept;
  // So that an entry does not end, and with it its waits, while the store holds a lock.
  void keep(std::shared_ptr<Entry> entry) noexcept { static_cast<void>(of(std::move(entry))); }
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }

 private:
  struct Item;
  std::vector<std::unique_ptr<Item>> items_;
};

}  // namespace strandline::store
