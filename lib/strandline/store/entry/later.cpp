#include <strandline/resource/core/parts.h>
#include <strandline/store/entry/later.h>

#include <new>

namespace strandline::store {

struct Later::Item {
  explicit Item(std::shared_ptr<Entry> of) : entry(std::move(of)), effects(*entry->resource().handle()->core()) {}
  std::shared_ptr<Entry> entry;
  Core::Effects effects;  // ends, and happens, before the entry is let go of
};

Later::Later() noexcept = default;
Later::Later(Later&& other) noexcept = default;

Later::~Later() {
  for (std::unique_ptr<Item>& item : items_) {
    item.reset();
  }
}

Core::Effects* Later::of(std::shared_ptr<Entry> entry) noexcept {
  try {
    items_.reserve(items_.size() + 1);
    items_.push_back(std::make_unique<Item>(std::move(entry)));
    return &items_.back()->effects;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace strandline::store
