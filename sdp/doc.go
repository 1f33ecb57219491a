// Package sdp parses and writes session descriptions, in two layers.
//
// [Session] is a description of RFC 8866: its lines, uninterpreted. [Parse] and [Session.Append]
// convert between it and text, and keep every attribute verbatim and in order.
//
// [Description] is a description in the terms of WebRTC (RFC 8829, JSEP): ICE credentials and
// candidates (RFC 8839, 8838), DTLS fingerprints and roles (RFC 8122, 8842), data channel sections
// (RFC 8841, and the older form with a=sctpmap), grouping and BUNDLE (RFC 5888, 9143), codecs (RFC
// 8866, 4585). The attributes with a meaning here are fields; all others are kept in Attributes,
// verbatim. [ParseDescription] and [Description.Append] convert between it and text, and
// [Description.Validate] checks that a connection can be made with it.
//
// # Typical tasks
//
//   - Connect to the peer that a description describes: [Description.TransportOf] and
//     [Description.CandidatesOf] return the ICE credentials, fingerprints and candidates of a
//     section. ParseCandidate of package ice parses a candidate.
//   - Answer an offer: [Description.Answer] returns a description with the sections of the offer.
//   - List, add and remove codecs: [MediaDescription.Codecs], [MediaDescription.AddCodec] and
//     [MediaDescription.RemoveCodec].
//   - Change other attributes: [Attributes.Set], [Attributes.Add] and [Attributes.Delete].
//   - Change a copy: [Description.Clone].
//   - Choose the DTLS roles: [AnswerSetup] and [AnswererIsClient].
//   - Check the certificate of the peer: [VerifyCertificate].
//
// The shortest program that uses a description:
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
// # Accepted input
//
// Descriptions are edited by scripts, pasted and mailed, and cameras, recorders and SIP phones
// write their own dialects. [Parse] accepts LF as the end of a line (RFC 8866, section 5), empty
// lines, a missing v=, o=, s= or t= line, lines of a section in another order, and several spaces
// in place of one. Their meaning is clear, and Append writes the canonical form: CRLF, all required
// lines, the order of the grammar.
//
// Other deviations are kept and written unchanged: in an o= line, ids that are not decimal numbers,
// missing fields and spaces in the user name; c= and t= lines of another form ("now-"); a second c=
// line; the y= and f= lines of GB/T 28181; an m= line without a format; the line "a=" alone.
//
// Parse refuses all other type letters (RFC 8866, section 5 demands that), a repetition of any
// other line that may occur once, ports and bandwidths that are not numbers, and input beyond the
// limits ([MaxSize] and the constants after it). [ParseOptions] restricts it to the grammar of RFC
// 8866, section 9, with either end of line.
//
// # Left out
//
//   - The k= line, which must be discarded (RFC 8866, section 5.12).
//   - Computations with the dates of t=, r= and z= lines.
//   - Fields for header extensions and simulcast, which are kept among the Attributes.
//   - The state of offer and answer, which belongs to the program. This package has the functions
//     that need no state, such as [Description.Answer].
//
// # Memory and concurrency
//
// Parsed values are substrings of the text that was parsed and keep it in memory. No value of this
// package may be changed while another goroutine uses it; concurrent reads are safe.
package sdp
