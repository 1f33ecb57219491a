package rtc

import (
	"slices"
	"time"

	"github.com/rtcstack/rtcstack/sctp"
)

// Messages that the program has not read count in the receive window of the association, which all
// channels share. Three rules prevent a channel from blocking the others for ever:
//
//   - messages that can no longer be read are dropped;
//   - unread messages of a closed channel are copied out of the window and retained, within a bound
//     for all closed channels of a connection (maxRetained);
//   - if channels that are not read fill the window while others are read, the window grows, up to
//     its maximum.

const (
	// maxRetained bounds the size of the unread messages of all closed channels of a connection. It
	// is that of the largest receive window by default, so that one channel always has room.
	maxRetained = sctp.DefaultMaxBuffer
	// messageOverhead and channelOverhead count in addition to the data, in bytes, so that many
	// small messages do not use much more memory than is counted.
	messageOverhead = 128
	channelOverhead = 1024
	// readerPatience is the time after the last read during which a closed channel counts as being
	// read. readerPause is the same for an open channel, in the decision whether the window grows.
	readerPatience = 10 * time.Second
	readerPause    = time.Second
	// unreadShare is the fraction of the receive window, 1/unreadShare, that channels which are not
	// read may fill before the window grows. The rest must have room for messages that arrive
	// interleaved, on many streams at once.
	unreadShare = 4
	// growInterval is the minimum time between two such decisions, which examine all channels.
	growInterval = 10 * time.Millisecond
	// maxLateMessages and maxLateBytes bound, for one channel, the messages that arrive after the
	// program has closed it. Further ones are dropped.
	maxLateMessages = 1024
	maxLateBytes    = 1 << 20
)

// unreadState accounts for messages that the program has not read, over all channels of a
// connection.
type unreadState struct {
	charged   int            // bytes that count in the receive window of the association
	examined  time.Time      // the last time that growWindow examined the channels
	examineAt time.Time      // the next time; zero: there is no need
	retaining []*DataChannel // closed, with messages out of the window
	retained  int            // bytes of these
	pending   []*DataChannel // closed, with messages still in the window: there was no room
	closed    []*DataChannel // all closed ones with messages in the window, and some without
}

var errDropped = failuref("unread messages of the closed channel were dropped: there were too many")

// charge adds a message to the bytes in the receive window of the current association; discharge
// subtracts it from those of its own association.
func (dc *DataChannel) charge(n int) {
	dc.source = dc.table.transport.sctp
	dc.charged += n
	dc.table.unread.charged += n
	dc.table.growWindow()
}

func (dc *DataChannel) discharge(n int) {
	dc.charged -= n
	if dc.source == dc.table.transport.sctp {
		dc.table.unread.charged -= n
	}
}

// growWindow grows the receive window if channels that are not read fill more than their share of
// it while others are read. If none is read, the window stays, which slows the peer down.
func (t *channelTable) growWindow() {
	u := &t.unread
	u.examineAt = time.Time{}
	if t.ended || u.charged == 0 || unreadShare*u.charged < t.transport.sctp.ReceiveWindow() {
		return
	}
	if next := u.examined.Add(growInterval); t.now.Before(next) {
		u.examineAt = next
		return
	}
	u.examined = t.now
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

// reconsider is called when the program has begun to read the channel, and when it may have stopped
// permanently. It drops or retains the channel's messages accordingly.
func (dc *DataChannel) reconsider() {
	dc.table.growWindow()
	switch {
	case dc.inbox.len() == 0:
	case dc.unreadable():
		dc.discard()
	case dc.state >= channelClosing && dc.onMessage == nil && !dc.table.ended && dc.charged > 0:
		dc.table.retain(dc)
	}
}

// retain copies the messages of a closed channel out of the receive window. If there is no room
// outside, they remain in the window.
func (t *channelTable) retain(dc *DataChannel) {
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
	dc.isRetained = true
	dc.account()
}

// makeRoom reports whether a channel may retain size bytes; a single channel always may. To make
// room it drops the messages of the channels that were closed first and are not being read.
func (t *channelTable) makeRoom(dc *DataChannel, size int) bool {
	u := &t.unread
	for i := 0; u.retained > dc.retained && u.retained-dc.retained+size > maxRetained; {
		for i < len(u.retaining) && (u.retaining[i] == dc || t.now.Sub(u.retaining[i].lastRead) < readerPatience) {
			i++
		}
		if i == len(u.retaining) {
			return false
		}
		u.retaining[i].dropUnread()
	}
	return true
}

// retainPending retries to retain the messages of channels for which there was no room.
func (t *channelTable) retainPending() {
	u := &t.unread
	pending := u.pending
	u.pending = nil
	for _, dc := range pending {
		dc.reconsider()
	}
}

// addClosed adds a closed channel to those that may have messages in the receive window.
func (t *channelTable) addClosed(dc *DataChannel) {
	u := &t.unread
	if dc.charged == 0 || t.ended {
		return
	}
	if len(u.closed) == cap(u.closed) {
		t.trimClosed()
		u.closed = slices.Grow(u.closed, len(u.closed)+1) // each search makes room for as many again
	}
	u.closed = append(u.closed, dc)
}

// trimClosed removes the closed channels whose messages have all left the receive window.
func (t *channelTable) trimClosed() {
	u := &t.unread
	u.closed = slices.DeleteFunc(u.closed, func(dc *DataChannel) bool { return dc.charged == 0 })
	if len(u.closed) == 0 {
		u.closed = nil
	}
}

// detachAll is called when the association is replaced and all channels have closed. Their messages
// keep their buffers and count as retained: the window of the next association does not bound them.
func (t *channelTable) detachAll() {
	u := &t.unread
	for _, dc := range u.closed {
		switch {
		case dc.inbox.len() == 0 || dc.isRetained:
		case t.makeRoom(dc, channelOverhead+dc.inbox.bytes+messageOverhead*dc.inbox.len()):
			dc.isRetained = true
			dc.account()
		default:
			dc.dropUnread()
		}
	}
	u.charged, u.closed, u.pending, u.examineAt = 0, nil, nil, time.Time{}
}

// account updates the sums of retained bytes after a change of the channel's inbox.
func (dc *DataChannel) account() {
	u := &dc.table.unread
	size := 0
	if dc.isRetained && dc.inbox.len() > 0 {
		size = channelOverhead + len(dc.label) + len(dc.protocol) + dc.inbox.bytes + messageOverhead*dc.inbox.len()
	}
	switch {
	case dc.retained == 0 && size > 0:
		u.retaining = append(u.retaining, dc)
	case dc.retained > 0 && size == 0:
		u.retaining = slices.DeleteFunc(u.retaining, func(other *DataChannel) bool { return other == dc })
	}
	u.retained += size - dc.retained
	dc.retained = size
}

// dropUnread drops the messages of a closed channel.
func (dc *DataChannel) dropUnread() {
	dc.table.log.Warn("unread messages of a closed channel dropped", "channel", dc.label, "messages", dc.inbox.len())
	dc.discard()
	dc.endOfReading = errDropped
}

// retainLate handles a message that arrives after the channel was closed here. It reports whether
// the message is retained; otherwise it is dropped.
func (dc *DataChannel) retainLate(r *received) bool {
	size := channelOverhead + dc.inbox.bytes + len(r.Data) + messageOverhead*(dc.inbox.len()+1)
	if dc.inbox.len() >= maxLateMessages || dc.inbox.bytes >= maxLateBytes || !dc.table.makeRoom(dc, size) {
		dc.free(r)
		return false
	}
	dc.detach(r)
	dc.isRetained = true
	return true
}

// free returns a message's buffer to its association, which enlarges the receive window by the same
// amount.
func (dc *DataChannel) free(m *received) {
	if m.source.Data != nil {
		dc.discharge(m.source.Charge())
		dc.source.Release(dc.table.now, &m.source)
		if dc.charged == 0 {
			dc.source = nil
		}
	}
	*m = received{}
}

// detach copies a message out of the receive window.
func (dc *DataChannel) detach(m *received) {
	if m.source.Data == nil {
		return
	}
	detached := received{Message: Message{Data: append([]byte(nil), m.Data...), IsText: m.IsText}}
	dc.free(m)
	*m = detached
}

// released returns the buffers of messages that have been read.
func (dc *DataChannel) released(messages []received) {
	dc.lastRead = dc.table.now
	for i := range messages {
		dc.free(&messages[i])
	}
	if dc.isRetained {
		dc.account()
	}
}
