package rtc

// trackTable holds the tracks of a connection. There are none yet.
type trackTable struct {
	onTrack func(*Track)
}

// Track is a media track. Tracks are not supported yet: AddTrack and AddTrackInit fail.
type Track struct{ channel }

// TrackInit describes a track to add.
type TrackInit struct {
	Direction Direction
}

// AddTrack adds a media track, described by a media section of SDP. It fails with ErrFailure:
// connections do not support RTP and SRTP yet. An empty description is ErrInvalid.
func (pc *PeerConnection) AddTrack(media string) (*Track, error) {
	if media == "" {
		return nil, invalidf("add track: empty media description")
	}
	return pc.AddTrackInit(TrackInit{})
}

// AddTrackInit adds a media track. It fails like AddTrack.
func (pc *PeerConnection) AddTrackInit(TrackInit) (*Track, error) {
	if pc.isZero() {
		return nil, errZero
	}
	return nil, failuref("add track: media tracks (RTP over SRTP) are not supported yet")
}
