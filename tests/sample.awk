# sample.awk -- made-up medical records in the published shape of Synthea's
# conditions.csv: START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION.
#
#   awk -v seed=N -v rows=N -f sample.awk >conditions.csv
#
# The same seed and rows give the same bytes under mawk, gawk and busybox
# awk: numbers come from a generator of our own whose every product stays
# below 2^53, where doubles are exact. Nobody's data is in it: people, visits
# and dates are drawn, and the codes only look like SNOMED CT's.

# The next number, 1 to 2147483646 (Park and Miller, CACM 36(7), 1993).
function next_number() {
    state = (state * 48271) % 2147483647
    return state
}

# A whole number from 0 to n - 1, for n up to 65536.
function below(n) {
    return int(next_number() * n / 2147483647)
}

# A random UUID (RFC 9562, version 4).
function uuid(    a, b, c, d, e, f, g, h) {
    a = below(65536); b = below(65536); c = below(65536); d = below(4096)
    e = 32768 + below(16384); f = below(65536); g = below(65536)
    h = below(65536)
    return sprintf("%04x%04x-%04x-4%03x-%04x-%04x%04x%04x",
                   a, b, c, d, e, f, g, h)
}

# YYYY-MM-DD of a day counted from 1 March 1960, up to the year 2099. A year
# that begins in March ends with its leap day, and so does every fourth.
function date(day,    cycle, year, month) {
    cycle = int(day / 1461)
    day -= cycle * 1461
    year = int((day - int(day / 1460)) / 365)
    day -= year * 365
    month = int((5 * day + 2) / 153)    # 0 is March
    day -= int((153 * month + 2) / 5)
    year += 1960 + 4 * cycle + (month > 9)
    month += month > 9 ? -9 : 3
    return sprintf("%04d-%02d-%02d", year, month, day + 1)
}

# A condition: its share of the rows, how many days it lasts (0: it stays),
# and its name.
function condition(share, least, most, name) {
    shares += share
    upto[++kinds] = shares
    shortest[kinds] = least
    longest[kinds] = most
    code[kinds] = sprintf("%d", 100000007 + kinds * 17711021)
    label[kinds] = name
}

function pick(    at, kind) {
    at = below(shares)
    for (kind = 1; upto[kind] <= at; kind++)
        continue
    return kind
}

# A day up to the end of April 2020; recent ones are likelier.
function visit_day(    a, b) {
    a = below(21976)
    b = below(21976)
    return 21975 - (a < b ? a : b)
}

function whole(text) {
    return text ~ /^[0-9]+$/ && length(text) <= 9
}

BEGIN {
    shares = kinds = 0
    if (!whole(seed) || !whole(rows)) {
        print "usage: awk -v seed=N -v rows=N -f sample.awk" >"/dev/stderr"
        exit 2
    }

    condition(1490,   7,  14, "Viral sinusitis (disorder)")
    condition( 780,   7,  21, "Acute viral pharyngitis (disorder)")
    condition( 670,   7,  28, "Acute bronchitis (disorder)")
    condition( 620, 245, 287, "Normal pregnancy (finding)")
    condition( 540,   0,   0, "Obesity (finding)")
    condition( 380,   0,   0, "Prediabetes (finding)")
    condition( 360,   0,   0, "Essential hypertension (disorder)")
    condition( 350,   0,   0, "Anemia (disorder)")
    condition( 280,   0,   0, "Chronic sinusitis (disorder)")
    condition( 235,   7,  90, "Otitis media (disorder)")
    condition( 220,   3,  21, "Gastroenteritis (disorder)")
    condition( 190,   7,  14, "Streptococcal pharyngitis (disorder)")
    condition( 165,   0,   0, "Hyperlipidemia (disorder)")
    condition( 160,  14,  42, "Sprain of ankle (disorder)")
    condition( 150,   5,  14, "Urinary tract infection (disorder)")
    condition( 140,   0,   0, "Allergic rhinitis (disorder)")
    condition( 130,   0,   0, "Low back pain (finding)")
    condition( 120,   0,   0, "Type 2 diabetes mellitus (disorder)")
    condition( 110,   0,   0, "Asthma (disorder)")
    condition( 100,  30, 730, "Polyp of colon (disorder)")
    condition(  95,   0,   0, "Migraine (disorder)")
    condition(  90,  14,  60, "Concussion (disorder)")
    condition(  85,   0,   0, "Osteoarthritis of knee (disorder)")
    condition(  80,   0,   0, "Coronary artery disease (disorder)")
    condition(  75,   0,   0, "Hypothyroidism (disorder)")
    condition(  75,  14,  35, "Sprain of wrist (disorder)")
    condition(  70,   0,   0, "Osteoporosis (disorder)")
    condition(  70,   7,  28, "Laceration of hand (disorder)")
    condition(  65,   0,   0, "Eczema (disorder)")
    condition(  65,  10,  40, "Pneumonia (disorder)")
    condition(  60,  90, 730, "Depressive episode (disorder)")
    condition(  60,  30, 120, "Fracture of forearm (disorder)")
    condition(  55,   0,   0, "Generalized anxiety disorder (disorder)")
    condition(  50,   0,   0, "Chronic heart failure (disorder)")
    condition(  50,   7,  21, "Appendicitis (disorder)")
    condition(  45,   0,   0, "Atrial fibrillation (disorder)")
    condition(  45,   0,   0, "Chronic kidney disease (disorder)")
    condition(  40,   0,   0, "Gout (disorder)")
    condition(  40,   0,   0, "Psoriasis (disorder)")
    condition(  35,  30, 120, "Fracture of clavicle (disorder)")
    condition(  30,   0,   0, "Epilepsy (disorder)")
    condition(  30,   0,   0, "Cataract (disorder)")
    condition(  25,  14, 180, "Gallstone (disorder)")
    condition(  20,   0,   0, "Stroke (disorder)")

    state = seed + 1
    same_visit = 0
    for (row = 0; row < 16; row++)      # neighbouring seeds drift apart
        next_number()

    print "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION"
    for (row = 0; row < rows; row++) {
        if (row == 0 || below(7) == 0)
            patient = uuid()
        else if (below(10) == 0)
            same_visit = 1
        if (!same_visit) {
            encounter = uuid()
            seen = visit_day()
        }
        same_visit = 0
        what = pick()
        stop = ""
        if (longest[what]) {
            days = below(longest[what] - shortest[what] + 1)
            stop = date(seen + shortest[what] + days)
        }
        print date(seen) "," stop "," patient "," encounter "," code[what] \
            "," label[what]
    }
}
