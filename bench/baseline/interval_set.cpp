#include <bench/baseline/interval_set.h>

#include <boost/icl/interval_set.hpp>
#include <boost/icl/right_open_interval.hpp>
#include <functional>

namespace strandline::bench::baseline {

using Interval = boost::icl::right_open_interval<std::uint64_t>;

struct IntervalSet::Impl {
  boost::icl::interval_set<std::uint64_t, std::less, Interval> ranges;
};

IntervalSet::IntervalSet() : impl_(std::make_unique<Impl>()) {}
IntervalSet::IntervalSet(const IntervalSet& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
IntervalSet::~IntervalSet() = default;

void IntervalSet::insert(ByteRange range) {
  impl_->ranges.add(Interval(range.begin, range.end));
}

bool IntervalSet::covers(ByteRange range) const {
  return boost::icl::contains(impl_->ranges, Interval(range.begin, range.end));
}

std::size_t IntervalSet::range_count() const {
  return impl_->ranges.iterative_size();
}

std::uint64_t IntervalSet::end_offset() const {
  return impl_->ranges.empty() ? 0 : impl_->ranges.rbegin()->upper();
}

}  // namespace strandline::bench::baseline
