package rtc

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// Messages that the program has not read are counted in the receive window of the association, which all channels share.
// So that no channel takes it from the others for ever:
//
//   - what a program can no longer read is dropped;
//   - what it may still read after a channel has closed, though nothing shows that it will, is copied out of the window, with
//     a bound for all closed channels of a connection (maxShelved);
//   - while a channel that nobody reads fills the window, and others are read, the window grows, up to its maximum.

const (
	// maxShelved bounds what the closed channels of a connection hold for a program that may still read it, in bytes. It is
	// as much as the largest receive window by default, so that one channel always finds room.
	maxShelved = sctp.DefaultMaxBuffer
	// messageOverhead and channelOverhead are counted on the shelf beside the data, in bytes, so that many small ones do
	// not hold much more memory than is counted.
	messageOverhead = 128
	channelOverhead = 1024
	// readerPatience is how long after the last reading a closed channel counts as being read.
	readerPatience = 10 * time.Second
	// readerPause is the same for an open one, when it is decided whether the window has to grow for others.
	readerPause = time.Second
	// unreadShare: channels that nobody reads hold at most one part in so many of the receive window, while it can grow.
	// The rest has to have room for messages that arrive in turns, on many streams at once.
	unreadShare = 4
	// growInterval is how often the channels are looked through for that, at most.
	growInterval = 10 * time.Millisecond
	// maxLateMessages and maxLateBytes bound what waits in a channel that the program has closed, of what arrives
	// after that. What finds no room is dropped.
	maxLateMessages = 1024
	maxLateBytes    = 1 << 20
)

// unreadState accounts for messages that the program has not read, over all channels of a connection.
type unreadState struct {
	charged int       // bytes that are counted in the receive window
	looked  time.Time // when growWindow looked last
	lookAt  time.Time // when it has to look again; zero: there is no need
	shelf   []*DataChannel
	shelved int            // bytes
	pending []*DataChannel // closed, and still counted in the window, for want of room on the shelf
}

var errDropped = failuref("unread messages of the closed channel were dropped: too many were kept")

// charge and discharge account for a message that is in the receive window, and no longer.
func (dc *DataChannel) charge(n int) {
	dc.charged += n
	dc.table.unread.charged += n
	dc.table.growWindow()
}

func (dc *DataChannel) discharge(n int) {
	dc.charged -= n
	dc.table.unread.charged -= n
}

// growWindow lets the receive window grow when channels that nobody reads fill more than a quarter of it while others are
// read. Where nothing is read at all it stays: the peer is to be slowed down. It looks at the channels every growInterval at
// most.
func (t *channelTable) growWindow() {
	u := &t.unread
	u.lookAt = time.Time{}
	if t.ended || u.charged == 0 || unreadShare*u.charged < t.transport.sctp.ReceiveWindow() {
		return
	}
	if next := u.looked.Add(growInterval); t.now.Before(next) {
		u.lookAt = next
		return
	}
	u.looked = t.now
	stalled, alive := 0, false
	for _, dc := range t.byStream {
		if dc.isRead() {
			alive = true
		} else {
			stalled += dc.charged
		}
	}
	if alive && unreadShare*stalled > t.transport.sctp.ReceiveWindow() {
		t.transport.sctp.GrowReceiveWindow(unreadShare * stalled)
	}
}

// isRead reports whether the program reads the channel.
func (dc *DataChannel) isRead() bool {
	return dc.onMessage != nil || dc.readers.n.Load() > 0 || dc.table.now.Sub(dc.lastRead) < readerPause
}

// reconsider is called when the program has begun to read the channel, or when it may have become impossible, or less likely,
// that it reads what the channel holds.
func (dc *DataChannel) reconsider() {
	dc.table.growWindow()
	switch {
	case dc.inbox.len() == 0:
	case dc.unreadable():
		dc.discard()
	case dc.state >= channelClosing && dc.onMessage == nil && !dc.table.ended && dc.charged > 0:
		dc.table.shelve(dc)
	}
}

// shelve copies the messages of a closed channel out of the receive window. If there is no room, they stay where they are.
func (t *channelTable) shelve(dc *DataChannel) {
	u := &t.unread
	if !t.makeRoom(dc, channelOverhead+dc.inbox.bytes+messageOverhead*dc.inbox.len()) {
		if !slices.Contains(u.pending, dc) {
			u.pending = append(u.pending, dc)
		}
		return
	}
	for i := range dc.inbox.len() {
		dc.detach(dc.inbox.queue.At(i))
	}
	dc.onShelf = true
	dc.account()
}

// makeRoom reports whether a channel may hold size bytes on the shelf, or the shelf is empty but for it. What has waited
// longest in other channels that nobody reads is dropped for that.
func (t *channelTable) makeRoom(dc *DataChannel, size int) bool {
	u := &t.unread
	for i := 0; u.shelved > dc.shelved && u.shelved-dc.shelved+size > maxShelved; {
		for i < len(u.shelf) && (u.shelf[i] == dc || t.now.Sub(u.shelf[i].lastRead) < readerPatience) {
			i++
		}
		if i == len(u.shelf) {
			return false
		}
		u.shelf[i].dropUnread()
	}
	return true
}

// shelvePending tries again what found no room.
func (t *channelTable) shelvePending() {
	u := &t.unread
	pending := u.pending
	u.pending = nil
	for _, dc := range pending {
		dc.reconsider()
	}
}

// account brings the sums of the shelf up to date with the channel's inbox.
func (dc *DataChannel) account() {
	u := &dc.table.unread
	size := 0
	if dc.onShelf && dc.inbox.len() > 0 {
		size = channelOverhead + len(dc.label) + len(dc.protocol) + dc.inbox.bytes + messageOverhead*dc.inbox.len()
	}
	switch {
	case dc.shelved == 0 && size > 0:
		u.shelf = append(u.shelf, dc)
	case dc.shelved > 0 && size == 0:
		u.shelf = slices.DeleteFunc(u.shelf, func(other *DataChannel) bool { return other == dc })
	}
	u.shelved += size - dc.shelved
	dc.shelved = size
}

// dropUnread drops what a closed channel holds.
func (dc *DataChannel) dropUnread() {
	dc.table.log.Warn("unread messages of a closed channel dropped", "channel", dc.label, "messages", dc.inbox.len())
	dc.discard()
	dc.endOfReading = errDropped
}

// late decides about a message that arrives when the channel is closed here, and reports whether to keep it.
func (dc *DataChannel) late(r *received) bool {
	size := channelOverhead + dc.inbox.bytes + len(r.Data) + messageOverhead*(dc.inbox.len()+1)
	if dc.inbox.len() >= maxLateMessages || dc.inbox.bytes >= maxLateBytes || !dc.table.makeRoom(dc, size) {
		dc.give(r)
		return false
	}
	dc.detach(r)
	dc.onShelf = true
	return true
}

// give returns a message's buffer to the association, which opens the receive window again.
func (dc *DataChannel) give(m *received) {
	if m.source.Data != nil {
		dc.discharge(m.source.Charge())
		dc.table.transport.sctp.Release(dc.table.now, &m.source)
	}
	*m = received{}
}

// detach copies a message, so that its buffer can be given back.
func (dc *DataChannel) detach(m *received) {
	if m.source.Data == nil {
		return
	}
	kept := received{Message: Message{Data: append([]byte(nil), m.Data...), IsText: m.IsText}}
	dc.give(m)
	*m = kept
}

// released gives back the buffers of messages that have been read.
func (dc *DataChannel) released(messages []received) {
	dc.lastRead = dc.table.now
	for i := range messages {
		dc.give(&messages[i])
	}
	if dc.onShelf {
		dc.account()
	}
}
