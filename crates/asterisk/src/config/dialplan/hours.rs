//! Opening hours.

use pbx_manifest::kinds::Schedule;
use pbx_manifest::{Days, Destination, Kind, Name, Yearly};
use pbx_routing::NodeId;

use super::{Writer, hashed_name, object};

impl Writer<'_> {
    pub(super) fn schedules(&mut self) {
        for (name, entry) in self.catalog.schedules.iter().filter(|(_, entry)| entry.spec.enabled) {
            self.file.mark(Some(object(Kind::Schedule, name)));
            self.file.context(&hashed_name("pbx-schedule-", name));
            self.schedule(name, &entry.spec);
        }
    }

    /// `Gosub(…,s,1)` returns `open` or `closed`. What somebody has set by hand goes before the hours: it is in Asterisk's database,
    /// as `open`, `closed`, or one of these with a slash and the second of the epoch until which it holds.
    fn schedule(&mut self, name: &Name, schedule: &Schedule) {
        let settings = self.catalog.settings();
        let zone = schedule.time_zone.as_ref().unwrap_or(&settings.time_zone);
        let closed = closed_days(schedule);
        let day = |at: &str| format!("Set(LOCAL(day)=${{STRFTIME({at},{zone},{DAY})}})");
        // Asterisk's ranges hold their last minute too.
        let times = |from: u16, until: u16, days: &str| {
            let last = until - 1;
            format!("{:02}:{:02}-{:02}:{:02},{days},*,*,{zone}", from / 60, from % 60, last / 60, last % 60)
        };
        let (mut today, mut begun) = (Vec::new(), Vec::new());
        for open in &schedule.open {
            for hours in &open.hours {
                let over = hours.over_midnight();
                let until = over.map_or(hours.until, |_| 1440);
                today.extend(runs(open.days).iter().map(|days| times(hours.from, until, days)));
                let next = over.map(|until| (until, runs(open.days.next_days())));
                begun.extend(next.iter().flat_map(|(until, runs)| runs.iter().map(|days| times(0, *until, days))));
            }
        }
        // Where nothing has begun yesterday, the last hours say it both ways.
        let last = if begun.is_empty() { today.pop() } else { None };
        let mut hours = Vec::new();
        if !closed.is_empty() {
            hours.push(day(""));
        }
        hours.extend(closed.iter().cloned());
        hours.extend(today.iter().map(|times| format!("GotoIfTime({times}?open)")));
        hours.extend(begun.iter().map(|times| format!("GotoIfTime({times}?begun)")));
        hours.extend(last.iter().map(|times| format!("Return(${{IFTIME({times}?open:closed)}})")));
        if hours.is_empty() {
            // It is never open.
            hours.push("NoOp()".to_owned());
        }
        hours[0].insert_str(0, "(hours)");
        let mut steps = vec![format!("GotoIf($[\"${{DB(pbx-schedule/{name})}}\"!=\"\"]?set)")];
        steps.extend(hours);
        steps.push("(closed)Return(closed)".into());
        if !begun.is_empty() {
            // What has begun yesterday goes on, unless yesterday was closed. Its noon is found by the hours of today that have gone, for
            // a day may have 23 of them, or 25.
            if closed.is_empty() {
                steps.push("(begun)Goto(open)".into());
            } else {
                let noon = format!("$[${{EPOCH}} - ${{STRFTIME(,{zone},%H)}} * 3600 - 43200]");
                steps.push(format!("(begun){}", day(&noon)));
                steps.extend(closed);
            }
        }
        steps.push("(open)Return(open)".into());
        steps.push(format!("(set)Set(LOCAL(set)=${{DB(pbx-schedule/{name})}})"));
        steps
            .push("GotoIf($[\"${CUT(set,/,2)}\"=\"\" | 0${CUT(set,/,2)} > ${EPOCH}]?${CUT(set,/,1)}:hours)".to_owned());
        self.file.exten("s", &steps);
    }

    /// Destinations of schedules themselves.
    pub(super) fn by_hours(&mut self) {
        for (id, node) in &self.graph.nodes {
            let NodeId::To(Destination::Schedule(name)) = id else { continue };
            self.file.mark(Some(object(Kind::Schedule, name)));
            self.file.context(&hashed_name("pbx-at-", name));
            let steps = self.decide(&node.edges);
            self.file.exten("s", &steps);
        }
    }
}

/// What is known of a day: its weekday (Monday 1), date, and number in the year.
const DAY: &str = "%u %Y-%m-%d %j";

/// Runs of days, as Asterisk takes them.
fn runs(days: Days) -> Vec<String> {
    let run = |(first, last): (&str, &str)| if first == last { first.to_owned() } else { format!("{first}-{last}") };
    days.runs().into_iter().map(run).collect()
}

/// Goes to `closed` if the day in `day` is a closed one.
fn closed_days(schedule: &Schedule) -> Vec<String> {
    let mut steps = Vec::new();
    for day in &schedule.closed {
        if let Some(date) = day.date {
            steps.push(format!("GotoIf($[\"${{day:2:10}}\"=\"{date}\"]?closed)"));
        }
        match day.yearly {
            None => {}
            Some(date @ Yearly::Day { .. }) => {
                steps.push(format!("GotoIf($[\"${{day:7:5}}\"=\"{date}\"]?closed)"));
            }
            Some(Yearly::Weekday { nth, day, month }) => {
                let (weekday, month) = (day + 1, format!("{month:02}"));
                // The last one is in the last seven days of its month; February's are found by what the year is.
                let range = match (nth, month.as_str()) {
                    (Some(nth), _) => {
                        let last = nth * 7;
                        format!("${{day:10:2}} > {} & ${{day:10:2}} <= {last}", last - 7)
                    }
                    (None, "02") => "${day:10:2} > 21 + (${day:2:4} % 4 = 0)".to_owned(),
                    (None, "04" | "06" | "09" | "11") => "${day:10:2} > 23".to_owned(),
                    (None, _) => "${day:10:2} > 24".to_owned(),
                };
                steps.push(format!(
                    "GotoIf($[\"${{day:0:1}}\"=\"{weekday}\" & \"${{day:7:2}}\"=\"{month}\" & {range}]?closed)"
                ));
            }
            Some(Yearly::Easter(after)) => {
                // Gauss' rule, as it holds from 1900 to 2099: how many days after the 21st of March, which is the 80th day of a year.
                steps.push("Set(LOCAL(year)=${day:2:4})".into());
                steps.push("Set(LOCAL(d)=$[(19 * (${year} % 19) + 24) % 30])".into());
                steps.push("Set(LOCAL(e)=$[(2 * (${year} % 4) + 4 * (${year} % 7) + 6 * ${d} + 5) % 7])".into());
                steps.push("Set(LOCAL(easter)=$[${d} + ${e} + 1])".into());
                steps.push(
                    "ExecIf($[${easter} = 36 | (${easter} = 35 & ${d} = 28 & ${year} % 19 > 10)]?Set(LOCAL(easter)=$[${easter} - 7]))"
                        .into(),
                );
                steps.push(format!("GotoIf($[${{day:13}} = 80 + (${{year}} % 4 = 0) + ${{easter}} + {after}]?closed)"));
            }
        }
    }
    steps
}
