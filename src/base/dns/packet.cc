#include "base/dns/packet.h"

#include <algorithm>

#include "base/dns/record.h"

namespace sekisho::dns {
namespace {

constexpr unsigned kMaxPointers = 127;  // a name has at most 127 labels; more pointers than that serve no name
constexpr std::size_t kMinQuestion = 5, kMinRecord = 11;

class Decoder {
 public:
  Decoder(std::string_view packet, core::Budget& budget) : packet_(packet), budget_(budget) {}

  core::Result<Message, PacketError> run() {
    const auto header = decode_header(packet_);
    if (!header) return core::error(PacketError::kShort);
    if (!budget_.take_steps(packet_.size())) return core::error(PacketError::kTooMuch);
    message_.header = *header;
    const std::size_t questions = get16(packet_, 4);
    const std::size_t counts[] = {get16(packet_, 6), get16(packet_, 8), get16(packet_, 10)};
    const std::size_t least = questions * kMinQuestion + (counts[0] + counts[1] + counts[2]) * kMinRecord;
    if (least > packet_.size() - kHeaderSize) return core::error(PacketError::kCounts);
    at_ = kHeaderSize;
    for (std::size_t i = 0; i < questions && !error_; ++i) question();
    std::vector<Record>* const sections[] = {&message_.answers, &message_.authorities, &message_.additionals};
    for (int section = 0; section < 3; ++section) {
      for (std::size_t i = 0; i < counts[section] && !error_; ++i) record(*sections[section], section == 2);
    }
    if (!error_ && at_ != packet_.size()) fail(PacketError::kTrailing);
    if (error_) return core::error(*error_);
    return std::move(message_);
  }

 private:
  bool fail(PacketError why) {
    if (!error_) error_ = why;
    return false;
  }

  bool question() {
    Question question;
    if (!budget_.take_part()) return fail(PacketError::kTooMuch);
    if (!name(at_, packet_.size(), question.name)) return false;
    if (packet_.size() - at_ < 4) return fail(PacketError::kShort);
    question.type = static_cast<Type>(get16(packet_, at_));
    question.qclass = static_cast<std::uint16_t>(get16(packet_, at_ + 2));
    at_ += 4;
    message_.questions.push_back(std::move(question));
    return true;
  }

  bool record(std::vector<Record>& section, bool additional) {
    Record record;
    if (!budget_.take_part()) return fail(PacketError::kTooMuch);
    if (!name(at_, packet_.size(), record.owner)) return false;
    if (packet_.size() - at_ < 10) return fail(PacketError::kShort);
    const std::uint32_t type = get16(packet_, at_);
    record.type = static_cast<Type>(type);
    record.rclass = static_cast<std::uint16_t>(get16(packet_, at_ + 2));
    record.ttl_s = get32(packet_, at_ + 4);
    const std::size_t size = get16(packet_, at_ + 8);
    at_ += 10;
    if (packet_.size() - at_ < size) return fail(PacketError::kShort);
    const std::size_t end = at_ + size;
    if (type == kTypeOpt) {
      if (!additional || !opt(record, packet_.substr(at_, size))) return fail(PacketError::kOpt);
    } else {
      if (!rdata(record, end)) {
        if (error_ != PacketError::kTooMuch) error_ = PacketError::kRdata;
        return false;
      }
      section.push_back(std::move(record));
    }
    at_ = end;
    return true;
  }

  // RFC 6891 section 6.1.1: at most one OPT, owner root.
  bool opt(const Record& record, std::string_view options) {
    if (message_.edns || !record.owner.is_root()) return false;
    Edns edns;
    edns.size_bytes = record.rclass;
    edns.version = static_cast<std::uint8_t>(record.ttl_s >> 16 & 255);
    edns.dnssec_ok = (record.ttl_s >> 15 & 1) != 0;
    edns.options = options;
    const std::uint32_t high = record.ttl_s >> 24;
    message_.header.rcode = static_cast<Rcode>(high << 4 | static_cast<std::uint32_t>(message_.header.rcode));
    message_.edns = std::move(edns);
    return true;
  }

  bool rdata(Record& record, std::size_t end) {
    std::size_t names = 0, before = 0, after = 0;
    switch (record.type) {
      case Type::kNs:
      case Type::kCname:
      case Type::kPtr:
        names = 1;
        break;
      case Type::kMx:
        names = 1, before = 2;
        break;
      case Type::kSoa:
        names = 2, after = 20;
        break;
      default:
        record.rdata = packet_.substr(at_, end - at_);
        return true;
    }
    if (end - at_ < before) return false;
    std::size_t at = at_ + before;
    record.rdata = packet_.substr(at_, before);
    for (; names > 0; --names) {
      Name target;
      if (!name(at, end, target)) return false;
      record.rdata += target.wire();
    }
    record.rdata += packet_.substr(at, std::min(after, end - at));
    return end - at == after;
  }

  // RFC 1035 section 4.1.4. A pointer must point before all that was read of this name: so it cannot loop.
  // Its own octets must end before `end`; what it points at may stand anywhere earlier in the packet.
  bool name(std::size_t& from, std::size_t end, Name& out) {
    char wire[255];
    std::size_t size = 0, at = from, floor = from;
    unsigned pointers = 0;
    for (;;) {
      if (at >= end) return fail(PacketError::kShort);
      const auto length = static_cast<unsigned char>(packet_[at]);
      if (length >= 0xc0) {
        if (end - at < 2) return fail(PacketError::kShort);
        const std::size_t target = get16(packet_, at) & 0x3fff;
        if (pointers == 0) from = at + 2;
        if (target >= floor || ++pointers > kMaxPointers) return fail(PacketError::kName);
        at = floor = target;
        end = packet_.size();
        continue;
      }
      if (length > 63 || size + 1 + length > sizeof wire) return fail(PacketError::kName);
      if (end - at < 1u + length) return fail(PacketError::kShort);
      std::copy_n(packet_.data() + at, 1 + length, wire + size);
      size += 1 + length;
      at += 1 + length;
      if (length == 0) break;
    }
    if (pointers == 0) from = at;
    if (!budget_.take_steps(size + pointers)) return fail(PacketError::kTooMuch);
    auto name = Name::from_wire({wire, size});
    if (!name) return fail(PacketError::kName);
    out = std::move(*name);
    return true;
  }

  std::string_view packet_;
  core::Budget& budget_;
  std::size_t at_ = 0;
  Message message_;
  std::optional<PacketError> error_;
};

}  // namespace

std::optional<Header> decode_header(std::string_view packet) {
  if (packet.size() < kHeaderSize) return std::nullopt;
  const std::uint32_t flags = get16(packet, 2);
  Header header;
  header.id = static_cast<std::uint16_t>(get16(packet, 0));
  header.response = (flags & 0x8000) != 0;
  header.opcode = static_cast<Opcode>(flags >> 11 & 15);
  header.authoritative = (flags & 0x0400) != 0;
  header.truncated = (flags & 0x0200) != 0;
  header.recursion_desired = (flags & 0x0100) != 0;
  header.recursion_available = (flags & 0x0080) != 0;
  header.authenticated = (flags & 0x0020) != 0;
  header.checking_disabled = (flags & 0x0010) != 0;
  header.rcode = static_cast<Rcode>(flags & 15);
  return header;
}

core::Result<Message, PacketError> decode(std::string_view packet, core::Budget& budget) {
  return Decoder(packet, budget).run();
}

}  // namespace sekisho::dns
