#include <strandline/base/node_stash.h>
#include <strandline/base/range_set.h>

#include <bit>
#include <boost/icl/interval_set.hpp>
#include <boost/icl/right_open_interval.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

// How R14 is kept. ICL's own operations may stop half-way when a node cannot be allocated: subtract()
// erases the ranges it touches before it inserts what is left of them. So every change runs in two
// steps. The first may fail and touches nothing: it builds the answer and puts one node aside. The
// second takes its nodes from the stash, compares integers, and so cannot fail: add() wants one node at
// most; subtract() wants two at most, for what is left of the first range and of the last, but frees
// at least one before, and the stash keeps three.
namespace strandline {
namespace {

using Interval = boost::icl::right_open_interval<std::uint64_t>;

// ICL default-constructs its set; this gives that set the allocator of its Impl.
class IclSet : public boost::icl::interval_set<std::uint64_t, std::less, Interval, NodeAllocator> {
 public:
  explicit IclSet(NodeStash& stash) { _set = ImplSetT(key_compare(), allocator_type(stash)); }
};

using Position = IclSet::const_iterator;

// const_iterator keeps a Position as an opaque pointer: the header may not know ICL.
static_assert(sizeof(Position) == sizeof(const void*) && std::is_trivially_copyable_v<Position>);
const void* to_opaque(Position position) noexcept {
  return std::bit_cast<const void*>(position);
}
Position from_opaque(const void* position) noexcept {
  return std::bit_cast<Position>(position);
}

ByteRange to_range(const Interval& interval) noexcept {
  return {interval.lower(), interval.upper()};
}

// The first range that ends after the offset. The interval that is looked for is never empty and its
// end does not wrap: offset <= kMaxOffset.
template <class Set>
auto ending_after(Set& set, std::uint64_t offset) noexcept {
  return set.lower_bound(Interval(offset, offset + 1));
}

// How many bytes of `range` are in the set, from the first set range that ends after range.begin.
std::uint64_t bytes_inside(const IclSet& set, Position from, ByteRange range) noexcept {
  std::uint64_t bytes = 0;
  for (; from != set.end() && from->lower() < range.end; ++from) {
    bytes += to_range(*from).clamped_to(range).size();
  }
  return bytes;
}

// Runs inside `range` that are not in the set, from the first set range that ends after range.begin.
void collect_gaps(const IclSet& set, Position from, ByteRange range, std::vector<ByteRange>& out) {
  std::uint64_t done = range.begin;
  for (; from != set.end() && from->lower() < range.end; ++from) {
    if (done < from->lower()) {
      out.push_back({done, from->lower()});
    }
    done = from->upper();
  }
  if (done < range.end) {
    out.push_back({done, range.end});
  }
}

void collect_covered(const IclSet& set, Position from, ByteRange range, std::vector<ByteRange>& out) {
  for (; from != set.end() && from->lower() < range.end; ++from) {
    out.push_back(to_range(*from).clamped_to(range));
  }
}

std::uint64_t total_size(const std::vector<ByteRange>& ranges) noexcept {
  std::uint64_t total = 0;
  for (const ByteRange& range : ranges) {
    total += range.size();
  }
  return total;
}

tl::unexpected<Error> bad_range() noexcept {
  return fail(Errc::invalid_range, "not a range within [0, 2^63 - 1)");
}
tl::unexpected<Error> no_memory() noexcept {
  return fail(Errc::no_memory, "range set");
}

}  // namespace

// Not there at all while the set has never held a byte: an empty set costs no allocation.
struct RangeSet::Impl {
  NodeStash stash;  // before the set, whose nodes return to it
  IclSet set{stash};
  std::uint64_t bytes = 0;
};

RangeSet::RangeSet() noexcept = default;
RangeSet::RangeSet(RangeSet&& other) noexcept = default;
RangeSet& RangeSet::operator=(RangeSet&& other) noexcept = default;
RangeSet::~RangeSet() = default;

RangeSet::RangeSet(std::initializer_list<ByteRange> ranges) {
  for (const ByteRange& range : ranges) {
    if (const auto added = insert(range); !added) {
      if (added.error().code == Errc::no_memory) {
        throw std::bad_alloc();
      }
      throw std::invalid_argument(added.error().message());
    }
  }
}

Result<RangeSet> RangeSet::clone() const noexcept {
  RangeSet copy;
  if (empty()) {
    return copy;
  }
  try {
    copy.impl_ = std::make_unique<Impl>();
    for (const Interval& interval : impl_->set) {
      copy.impl_->set.add(copy.impl_->set.end(), interval);
    }
    copy.impl_->bytes = impl_->bytes;
    return copy;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Result<std::vector<ByteRange>> RangeSet::insert(ByteRange range) noexcept {
  if (!range.valid()) {
    return bad_range();
  }
  std::vector<ByteRange> added;
  if (range.empty()) {
    return added;
  }
  try {
    if (!impl_) {
      impl_ = std::make_unique<Impl>();
    }
    IclSet& set = impl_->set;
    const auto position = ending_after(set, range.begin);
    collect_gaps(set, position, range, added);
    if (added.empty()) {
      return added;
    }
    impl_->stash.reserve(1);
    // Nothing fails from here on. The position is where a new node would go: no second descent.
    set.add(position, Interval(range.begin, range.end));
    impl_->bytes += total_size(added);
    return added;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Result<std::vector<ByteRange>> RangeSet::erase(ByteRange range) noexcept {
  if (!range.valid()) {
    return bad_range();
  }
  std::vector<ByteRange> removed;
  if (range.empty() || empty()) {
    return removed;
  }
  try {
    IclSet& set = impl_->set;
    collect_covered(set, ending_after(set, range.begin), range, removed);
    if (removed.empty()) {
      return removed;
    }
    impl_->stash.reserve(1);
    // Nothing fails from here on.
    set.subtract(Interval(range.begin, range.end));
    impl_->bytes -= total_size(removed);
    return removed;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

void RangeSet::reserve(std::size_t ranges) {
  if (!impl_) {
    impl_ = std::make_unique<Impl>();
  }
  impl_->stash.reserve(ranges);
}

void RangeSet::add_reserved(ByteRange range) noexcept {
  IclSet& set = impl_->set;
  const auto position = ending_after(set, range.begin);
  const std::uint64_t present = bytes_inside(set, position, range);
  set.add(position, Interval(range.begin, range.end));
  impl_->bytes += range.size() - present;
}

void RangeSet::erase_reserved(ByteRange range) noexcept {
  IclSet& set = impl_->set;
  impl_->bytes -= bytes_inside(set, ending_after(set, range.begin), range);
  set.subtract(Interval(range.begin, range.end));
}

void RangeSet::clear() noexcept {
  impl_.reset();
}

bool RangeSet::covers(ByteRange range) const noexcept {
  if (!range.valid() || range.empty()) {
    return range.valid();
  }
  return covered_prefix(range) == range.size();
}

bool RangeSet::intersects(ByteRange range) const noexcept {
  if (!range.valid() || range.empty() || empty()) {
    return false;
  }
  const Position position = ending_after(std::as_const(impl_->set), range.begin);
  return position != impl_->set.end() && position->lower() < range.end;
}

std::uint64_t RangeSet::covered_prefix(ByteRange range) const noexcept {
  if (!range.valid() || range.empty() || empty()) {
    return 0;
  }
  // Ranges never touch, so the first one alone decides.
  const Position position = ending_after(std::as_const(impl_->set), range.begin);
  if (position == impl_->set.end() || position->lower() > range.begin) {
    return 0;
  }
  return std::min(position->upper(), range.end) - range.begin;
}

std::optional<ByteRange> RangeSet::first_gap(ByteRange range) const noexcept {
  if (!range.valid() || range.empty()) {
    return std::nullopt;
  }
  if (empty()) {
    return range;
  }
  Position position = ending_after(std::as_const(impl_->set), range.begin);
  if (position != impl_->set.end() && position->lower() <= range.begin) {
    range.begin = position->upper();
    ++position;
  }
  if (range.empty()) {
    return std::nullopt;
  }
  if (position != impl_->set.end()) {
    range.end = std::min(range.end, position->lower());
  }
  return range;
}

std::optional<ByteRange> RangeSet::first_covered(ByteRange range) const noexcept {
  if (!range.valid() || range.empty() || empty()) {
    return std::nullopt;
  }
  const Position position = ending_after(std::as_const(impl_->set), range.begin);
  if (position == impl_->set.end() || position->lower() >= range.end) {
    return std::nullopt;
  }
  return to_range(*position).clamped_to(range);
}

Result<std::vector<ByteRange>> RangeSet::gaps(ByteRange range) const noexcept {
  if (!range.valid()) {
    return bad_range();
  }
  std::vector<ByteRange> found;
  try {
    if (!empty() && !range.empty()) {
      collect_gaps(impl_->set, ending_after(std::as_const(impl_->set), range.begin), range, found);
    } else if (!range.empty()) {
      found.push_back(range);
    }
    return found;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Result<std::vector<ByteRange>> RangeSet::covered(ByteRange range) const noexcept {
  if (!range.valid()) {
    return bad_range();
  }
  std::vector<ByteRange> found;
  try {
    if (!empty() && !range.empty()) {
      collect_covered(impl_->set, ending_after(std::as_const(impl_->set), range.begin), range, found);
    }
    return found;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

std::uint64_t RangeSet::byte_count() const noexcept {
  return impl_ ? impl_->bytes : 0;
}
std::size_t RangeSet::range_count() const noexcept {
  return impl_ ? impl_->set.iterative_size() : 0;
}
std::uint64_t RangeSet::end_offset() const noexcept {
  return empty() ? 0 : impl_->set.rbegin()->upper();
}

RangeSet::const_iterator RangeSet::begin() const noexcept {
  return impl_ ? const_iterator(to_opaque(std::as_const(impl_->set).begin())) : const_iterator();
}
RangeSet::const_iterator RangeSet::end() const noexcept {
  return impl_ ? const_iterator(to_opaque(std::as_const(impl_->set).end())) : const_iterator();
}

ByteRange RangeSet::const_iterator::operator*() const noexcept {
  return to_range(*from_opaque(position_));
}
RangeSet::const_iterator& RangeSet::const_iterator::operator++() noexcept {
  position_ = to_opaque(++from_opaque(position_));
  return *this;
}
RangeSet::const_iterator RangeSet::const_iterator::operator++(int) noexcept {
  const const_iterator before = *this;
  ++*this;
  return before;
}

bool operator==(const RangeSet& a, const RangeSet& b) noexcept {
  return a.byte_count() == b.byte_count() && a.range_count() == b.range_count() &&
         std::equal(a.begin(), a.end(), b.begin());
}

void RangeSet::check_invariants() const {
  const auto require = [this](bool holds, const char* what) {
    if (!holds) {
      std::fprintf(stderr, "RangeSet: %s: %zu ranges, %llu bytes\n", what, range_count(),
                   static_cast<unsigned long long>(byte_count()));
      std::abort();
    }
  };
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  std::uint64_t last_end = 0;
  for (const ByteRange range : *this) {
    require(range.valid() && !range.empty(), "an empty range, or one past 2^63 - 1");
    require(count == 0 || last_end < range.begin, "ranges that overlap, touch or are out of order");
    last_end = range.end;
    bytes += range.size();
    ++count;
  }
  require(bytes == byte_count(), "byte_count() is not the sum of the sizes");
  require(count == range_count(), "range_count() is not the number of ranges");
  require(last_end == end_offset(), "end_offset() is not the last end");
}

std::string to_string(const RangeSet& set) {
  std::string text = "{";
  for (const ByteRange range : set) {
    if (text.size() > 1) {
      text += ' ';
    }
    text += to_string(range);
  }
  text += '}';
  return text;
}

}  // namespace strandline
