// Package sdp reads and writes session descriptions, in two layers.
//
// [Session] is RFC 8866 itself: every line of a description in the order of the grammar, whatever
// it is used for. [Parse] and [Session.Append] convert between it and text; nothing is interpreted,
// so that every attribute survives byte for byte and in order.
//
// [Description] is what WebRTC means by a description (RFC 8829, JSEP): ICE credentials and
// candidates (RFC 8839, 8838), DTLS fingerprints and roles (RFC 8122, 8842), the data channel
// section (RFC 8841, and the older a=sctpmap form), grouping and BUNDLE (RFC 5888, 9143). The parts
// that have a field are typed; all others stay in Attributes, verbatim. [ParseDescription] and
// [Description.Append] convert, [Description.Validate] checks that a connection can be made with
// it.
//
// # What is accepted
//
// A writer follows the grammar; a reader meets descriptions that were edited by scripts, pasted and
// mailed, and those of cameras, recorders and SIP phones. [Parse] accepts LF as a line end (RFC
// 8866, section 5), empty lines, a missing v=, o=, s= or t= line, lines of one section in another
// order, and several spaces where one belongs. None of these leaves a doubt about what is meant,
// and Append writes them canonically: CRLF, all required lines, the order of the grammar.
//
// Values that are not of the grammar are kept as they are and written back so: in an o= line, ids
// that are not decimal numbers, missing fields and spaces in the user name; c= and t= lines of
// another form ("now-"); a second c= line; the y= and f= lines of GB/T 28181; an m= line without a
// format; "a=" alone.
//
// Parse refuses all other type letters (RFC 8866, section 5: the description must be ignored),
// another line that may stand once and stands twice, ports and bandwidths that are not numbers, and
// everything beyond the limits ([MaxSize] and its neighbours). With [ParseOptions] it refuses
// whatever is not of the grammar of RFC 8866, section 9, but for the line ends.
//
// # Left out
//
// The k= line, which RFC 8866, section 5.12 says must be discarded. Dates of t=, r= and z= are
// kept, not computed with. The codec and header extension attributes of audio and video sections
// have no fields; they are kept among the Attributes. Offer/answer state (which description may
// follow which) belongs to the user of this package; only the pure functions of it are here, such
// as [AnswerSetup], [MediaDescription.Inactive] and [MediaDescription.Rejection].
//
// # The shortest program
//
//	d, err := sdp.ParseDescription(text)
//	if err == nil {
//		err = d.Validate()
//	}
//	if err != nil {
//		return err
//	}
//	if m := d.Application(); m != nil && !m.Rejected {
//		t := d.TransportOf(m)
//		candidates, complete := d.CandidatesOf(m)
//		connect(t.ICEUfrag, t.ICEPwd, t.Fingerprints, candidates, complete)
//	}
//
// Parsed values are substrings of the text that was parsed and keep it alive. No type in this
// package may be changed while another goroutine uses it; reading concurrently is fine.
package sdp
