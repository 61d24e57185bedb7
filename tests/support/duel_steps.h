// Duel's steps: each operation on the resource, then on the model; included by duel.h.
// Threads, Blocks, Errors, Lifetime: see there. Cost: that of the operation.
#pragma once

#include <tests/support/duel.h>

namespace strandline::testing {

template <Driver D>
void Duel<D>::run(const Operation& operation) {
  const unsigned slot = operation.slot & 1U;
  switch (operation.kind) {
    case Kind::write:
    case Kind::set_length:
    case Kind::commit:
    case Kind::fail:
    case Kind::abandon:
    case Kind::drop_writer:
    case Kind::sync:
      run_writing(operation, writers_[slot]);
      break;
    case Kind::take_writer:
    case Kind::reactivate:
      start_writer(operation, writers_[slot]);
      break;
    case Kind::cancel:
      if (operation.flag) {
        owner_.request_stop();
      } else {
        resource_->cancel();
      }
      model_.cancel();
      break;
    case Kind::interrupt:
      resource_->interrupt();
      model_.interrupt();
      break;
    case Kind::async_wait:
      async_wait(operation);
      break;
    case Kind::stop_wait:
      if (!waits_.empty()) {
        Parked& wait = waits_[(operation.slot + operation.variant * 2U) % waits_.size()];
        wait.stop.request_stop();
        model_.stop_wait(wait.number);
      }
      break;
    case Kind::read:
    case Kind::wait_read:
    case Kind::wait:
    case Kind::contains:
    case Kind::next_gap:
      run_reading(operation);
      break;
    case Kind::open_cursor:
    case Kind::read_cursor:
    case Kind::seek_cursor:
    case Kind::drop_cursor:
      run_cursor(operation, cursors_[slot]);
      break;
    case Kind::open_view:
    case Kind::drop_view:
      run_view(operation, views_[slot]);
      break;
    case Kind::subscribe:
    case Kind::unsubscribe:
      subscribe(operation.kind == Kind::subscribe);
      break;
    case Kind::evict:
      evict(operation);
      break;
  }
}

template <Driver D>
Answer Duel<D>::write(const Operation& operation, WriterSlot& slot) {
  const Universe& universe = setting_.universe;
  std::uint64_t begin = operation.begin;
  std::uint64_t end = operation.end;
  if (begin <= kMaxOffset) {
    // Only the universe and the prefix as a whole can be written, and what no range may reach.
    begin = std::min(begin, universe.end());
    if (begin < universe.base) {
      const bool whole = universe.base <= kWritablePrefix && !traits_.capacity;
      begin = whole ? 0 : universe.base;
      end = std::max(end, universe.base);
    }
    end = std::max(begin, std::min(end, universe.end() + (universe.end() == kMaxOffset ? 3 : 0)));
  } else {
    end = begin + (operation.variant == 0 ? 0 : 4);
  }
  const auto data = std::span(input_).first(static_cast<std::size_t>(end - begin));
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = Model::pattern(universe, begin + i, operation.variant);
  }
  const WaitOptions options = bounded(operation);
  const Answer real =
      answer_of(call([&]() -> Result<std::size_t> { return slot.writer->write_at(begin, data, options); }));
  if (lost(real)) {
    lose_write(slot.number, begin, data, operation.stopped);
    if (model_.rewriting() && traits_.capacity) {
      // Whether the window of the generation that nobody sees has moved cannot be told: it ends here.
      slot.writer.reset();
      model_.drop_writer(std::exchange(slot.number, 0));
    }
    return real;
  }
  // A storage that cannot hold offsets as high as these says so, and has then written nothing.
  const bool refused = real.error == Errc::too_large || real.error == Errc::no_memory || real.error == Errc::no_space;
  if (refused && universe.base > kWritablePrefix && !traits_.capacity) {
    model_.set_fault(Fault{Fault::Call::write, 1, {}, *real.error});
  }
  expect(real, model_.write(slot.number, begin, data, operation.stopped), "write_at");
  without_effect_ += !real.error && real.value == 0 ? 1 : 0;
  return real;
}

// Memory ran out: as if the first, or a later, driver call of the write had failed, with the pieces before it
// there; or before the next part of a ring's write began. The resource must look like one of these.
template <Driver D>
void Duel<D>::lose_write(std::uint64_t writer, std::uint64_t offset, std::span<const std::byte> data, bool stopped) {
  const Model before = model_;
  for (std::uint64_t nth = 1; nth <= setting_.universe.size + 1; ++nth) {
    for (const Fault::Call call : {Fault::Call::claim, Fault::Call::write}) {
      model_ = before;
      model_.set_fault(Fault{call, nth, {}, Errc::no_memory});
      const Answer answer = model_.write(writer, offset, data, stopped);
      model_.set_fault({});
      if (answer.error == Errc::no_memory && agrees()) {
        return;
      }
    }
  }
  model_ = before;
}

template <Driver D>
void Duel<D>::run_writing(const Operation& operation, WriterSlot& slot) {
  if (!slot.writer) {
    if (operation.kind != Kind::drop_writer) {
      Writer<D> nobody;
      expect(answer_of(nobody.set_length(operation.begin)), Answer{Errc::no_writer, 0}, "an empty writer");
    }
    ++without_effect_;
    return;
  }
  Answer real;
  switch (operation.kind) {
    case Kind::write:
      real = write(operation, slot);
      break;
    case Kind::set_length:
      real = answer_of(call([&] { return slot.writer->set_length(operation.begin); }));
      if (!lost(real)) {
        expect(real, model_.set_length(slot.number, operation.begin), "set_length");
      }
      break;
    case Kind::commit: {
      const auto length = operation.flag ? std::optional(operation.begin) : std::nullopt;
      const Result<void> result = call([&] { return slot.writer->commit(length); });
      real = answer_of(result);
      if (lost(real)) {
        break;
      }
      expect(real, model_.commit(slot.number, length), "commit");
      if (real.error == Errc::incomplete && !fired_) {
        const std::string gap = to_string(model_.stumbling_gap());
        expect(result.error().context.find(gap) != std::string::npos, "commit: the error does not name the gap");
      }
      break;
    }
    case Kind::fail: {
      constexpr std::array<Errc, 4> kCodes = {Errc::io, Errc::changed, Errc::corrupt, Errc::no_space};
      Errc code = kCodes[operation.variant % kCodes.size()];
      Error error = Error::make(code, "why");
      real = answer_of(call([&] { return slot.writer->fail(std::move(error)); }));
      if (fired_ && !real.error) {
        // Without memory the resource fails all the same, if with a poorer reason.
        code = resource_->status().error.value_or(Error::make(code)).code;
      }
      expect(real, model_.fail(slot.number, code), "fail");
      break;
    }
    case Kind::abandon: {
      const Abandon how = operation.flag ? Abandon::stop : Abandon::handover;
      real = answer_of(call([&] { return slot.writer->abandon(how); }));
      if (!lost(real)) {
        expect(real, model_.abandon(slot.number, how), "abandon");
      }
      break;
    }
    case Kind::sync:
      real = answer_of(call([&] { return slot.writer->sync(); }));
      if (!lost(real)) {
        expect(real, model_.sync(slot.number), "sync");
      }
      break;
    default:
      (void)call([&] {
        slot.writer.reset();
        return 0;
      });
      model_.drop_writer(std::exchange(slot.number, 0));
  }
  without_effect_ += real.error ? 1 : 0;
}

template <Driver D>
void Duel<D>::start_writer(const Operation& operation, WriterSlot& slot) {
  const Reactivate mode = operation.flag ? Reactivate::rewrite : Reactivate::resume;
  const bool taken = operation.kind == Kind::take_writer;
  auto result = call([&] { return taken ? resource_->writer() : resource_->reactivate(mode); });
  const Answer real = answer_of_making(result);
  if (lost(real)) {
    if (!taken && !agrees()) {
      // It got as far as the storage: an abandoned rewrite has made room for the new one.
      model_.set_fault(Fault{Fault::Call::rewrite, 1, {}, Errc::no_memory});
      expect(model_.reactivate(mode), real, "reactivate without memory");
      model_.set_fault({});
    }
    return;
  }
  Answer model = taken ? model_.take_writer() : model_.reactivate(mode);
  const std::uint64_t number = std::exchange(model.value, 0);
  expect(real, model, taken ? "writer" : "reactivate");
  without_effect_ += real.error ? 1 : 0;
  if (result && !model.error) {
    // The handle that stood here ends, and must not touch the new writer's resource.
    slot.writer = std::move(*result);
    model_.drop_writer(std::exchange(slot.number, number));
  }
}

template <Driver D>
void Duel<D>::evict(const Operation& operation) {
  ByteRange range = operation.range();
  if (range.valid() && range.begin < setting_.universe.base) {
    range.end = std::max(range.end, setting_.universe.base);  // the model has no holes before it
  }
  const Answer real = answer_of(call([&] { return resource_->evict(range); }));
  if (lost(real)) {
    if (!agrees()) {
      // It got as far as the storage, and what that has failed to give up is lost all the same.
      model_.set_fault(Fault{Fault::Call::evict, 1, {}, Errc::no_memory});
      expect(model_.give_up(range), real, "evict without memory");
      model_.set_fault({});
    }
    return;
  }
  expect(real, model_.give_up(range), "evict");
  without_effect_ += real.error || real.value == 0 ? 1 : 0;
}

template <Driver D>
void Duel<D>::run_reading(const Operation& operation) {
  const ByteRange range = operation.range();
  const WaitOptions options = bounded(operation);
  const auto out = std::span(buffer_).first(static_cast<std::size_t>(read_size(operation)));
  Answer real;
  switch (operation.kind) {
    case Kind::read:
      real = answer_of(call([&] { return std::as_const(*resource_).read_at(range.begin, out); }));
      if (!lost(real)) {
        expect(real, model_.read(range.begin, out.size()), "read_at");
      }
      break;
    case Kind::wait_read:
      real = answer_of(call([&] { return resource_->wait_read_at(range.begin, out, options); }));
      if (!lost(real)) {
        expect(real, model_.wait_read(range.begin, out.size(), operation.stopped), "wait_read_at");
      }
      break;
    case Kind::wait:
      real = answer_of(call([&] { return resource_->wait_range(range, options); }));
      if (!lost(real)) {
        expect(real, model_.wait(range, options.until, operation.stopped), "wait_range");
      }
      break;
    case Kind::contains:
      expect(resource_->contains(range) == model_.contains(range), "contains");
      break;
    default:
      expect(resource_->next_gap(range.begin, range.end) == model_.next_gap(range.begin, range.end), "next_gap");
  }
}

template <Driver D>
void Duel<D>::async_wait(const Operation& operation) {
  if (waits_.size() >= kMostWaits) {
    return;
  }
  Parked wait{0, std::make_shared<WaitRecord>(), std::stop_source()};
  if (operation.stopped) {
    wait.stop.request_stop();
  }
  WaitOptions options{wait.stop.get_token(),
                      {},
                      operation.flag ? WaitFor::any : WaitFor::all,
                      operation.variant == 2 ? Urgency::background : Urgency::reader};
  if (operation.variant == 3) {
    options.deadline = std::chrono::steady_clock::time_point::max();
  }
  demand_observer_->told.clear();
  (void)call([&] {
    resource_->async_wait(operation.range(), options, RecordWait{wait.record});
    return 0;
  });
  if (wait.record->calls == 1 && lost(wait.record->answer)) {
    return;
  }
  wait.number = model_.park(operation.range(), options.until, operation.stopped, options.urgency);
  const auto lacks = model_.lacks(wait.number);
  expect(demand_observer_->told == (lacks ? std::vector{*lacks} : std::vector<ByteRange>()), "on_demand()");
  waits_.push_back(std::move(wait));
}

template <Driver D>
void Duel<D>::run_cursor(const Operation& operation, CursorSlot& slot) {
  if (operation.kind == Kind::open_cursor) {
    auto result = call([&] { return resource_->cursor(operation.begin); });
    const Answer real = answer_of_making(result);
    if (lost(real)) {
      return;
    }
    const bool valid = operation.begin <= kMaxOffset;
    expect(real, valid ? Answer{} : Answer{Errc::invalid_range, 0}, "cursor");
    if (result && valid) {
      if (slot.cursor) {
        model_.drop_cursor(slot.number);
      }
      slot.cursor.emplace(std::move(*result));
      slot.number = model_.add_cursor(operation.begin);
      slot.position = operation.begin;
    }
    return;
  }
  if (!slot.cursor) {
    return;
  }
  if (operation.kind == Kind::drop_cursor) {
    slot.cursor.reset();
    model_.drop_cursor(slot.number);
    return;
  }
  if (operation.kind == Kind::seek_cursor) {
    const bool valid = operation.begin <= kMaxOffset;
    expect(answer_of(slot.cursor->seek(operation.begin)), valid ? Answer{} : Answer{Errc::invalid_range, 0}, "seek");
    slot.position = valid ? operation.begin : slot.position;
  } else {
    const auto out = std::span(buffer_).first(static_cast<std::size_t>(read_size(operation)));
    const WaitOptions options = bounded(operation);
    const Answer real = answer_of(call([&] { return slot.cursor->read(out, options); }));
    if (lost(real)) {
      return;
    }
    const Answer model = model_.read_some(slot.position, out.size(), operation.stopped);
    expect(real, model, "a cursor's read");
    for (std::uint64_t i = 0; !model.error && i < model.value; ++i) {
      expect(out[i] == model_.byte_at(slot.position + i), "a cursor's bytes");
    }
    slot.position += model.error ? 0 : model.value;
  }
  model_.move_cursor(slot.number, slot.position);
}

template <Driver D>
void Duel<D>::run_view(const Operation& operation, ViewSlot& slot) {
  if (operation.kind == Kind::open_view) {
    auto result = call([&] { return std::as_const(*resource_).view(operation.range()); });
    const Answer real = answer_of_making(result);
    if (lost(real)) {
      return;
    }
    // No system maps the page that the largest offset lies in; who reads through mappings has no views there.
    constexpr std::uint64_t kLastPage = kMaxOffset / 4096 * 4096;
    if (setting_.driver == Setting::Driver::mmap && operation.end > kLastPage && real.error == Errc::io) {
      model_.set_fault(Fault{Fault::Call::view, 1, {}, Errc::io});
    }
    Answer model = model_.view(operation.range());
    const std::uint64_t size = std::exchange(model.value, 0);
    expect(real, model, "view");
    if (!result || model.error) {
      return;
    }
    const ByteRange range{operation.begin, operation.begin + size};
    expect(result->range().size() == size && result->bytes().size() == size, "a view's size");
    expect(size == 0 || result->range() == range, "a view's place");
    // Pinned before the old one goes: a view may replace itself.
    const auto pin = model_.pin(range);
    if (slot.pin) {
      model_.unpin(*slot.pin);
    }
    slot = ViewSlot{std::move(*result), pin, {}};
    for (std::uint64_t i = 0; i < size; ++i) {
      slot.expected.push_back(model_.byte_at(range.begin + i));
    }
  } else {
    if (slot.pin) {
      model_.unpin(*slot.pin);
    }
    slot = ViewSlot();
  }
}

template <Driver D>
void Duel<D>::subscribe(bool wanted) {
  if (!wanted) {
    (void)call([&] {
      subscription_.unsubscribe();
      return 0;
    });
    return;
  }
  if (subscription_.active()) {
    return;
  }
  auto result = call([&] { return resource_->subscribe(late_observer_); });
  if (result) {
    subscription_ = std::move(*result);
  } else if (!lost(answer_of_making(result))) {
    differ("subscribe: " + result.error().message());
  }
}

}  // namespace strandline::testing
